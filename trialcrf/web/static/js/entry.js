// Entry made faster; the page does all of this without script, only slower.
const form = document.querySelector("form[data-entry]");

if (form) {
  let changed = form.dataset.unsaved === "yes";
  let leaving = false, giving = 0;

  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", (event) => {
    // A second press would save the same page twice; the button stays enabled, because a disabled one would not send its name.
    if (leaving) event.preventDefault();
    leaving = true;
    // Where the answer never comes the person may press again: the same page is saved once.
    clearTimeout(giving);
    giving = setTimeout(() => { leaving = false; }, 10000);
  });
  // The page was sent as it stood: what is typed now would seem to be taken, and would be lost.
  const changes = (event) => event.key.length === 1 || /^(Arrow|Backspace|Delete)/.test(event.key);
  for (const kind of ["beforeinput", "keydown", "mousedown"]) {
    form.addEventListener(kind, (event) => {
      if (!leaving || (kind === "keydown" && (event.ctrlKey || event.altKey || event.metaKey || !changes(event)))) return;
      event.preventDefault();
      event.stopPropagation();
    }, true);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") leaving = false; });
  window.addEventListener("pageshow", () => { leaving = false; });
  window.addEventListener("beforeunload", (event) => {
    // What is kept on the server is there on return (draft.js): nobody is asked about it.
    if (changed && !leaving && form.dataset.kept !== "yes") event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[data-save]"));
    }
    // And on to the next form of the visit, where there is one.
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key === "Enter" && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[data-next]") ?? form.querySelector("[data-save]"));
    }
  });

  // Alt+M: the missing code of the field in focus.
  form.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.key.toLowerCase() !== "m") return;
    const missing = event.target.closest(".item")?.querySelector("[data-missing]");
    if (missing) {
      event.preventDefault();
      missing.focus();
    }
  });

  // A digit in a line of a score chooses that code and goes on to the next line.
  form.addEventListener("keydown", (event) => {
    const line = event.target.closest("[data-score]");
    if (!("digits" in form.dataset) || !line || event.target.type !== "radio" || event.ctrlKey || event.altKey || event.metaKey || !/^[0-9]$/.test(event.key)) return;
    const wanted = line.querySelector(`input[type="radio"][value="${event.key}"]`);
    if (!wanted) return;
    event.preventDefault();
    wanted.checked = true;
    wanted.dispatchEvent(new Event("input", { bubbles: true }));
    const lines = [...form.querySelectorAll("[data-score]")];
    const next = lines[lines.indexOf(line) + 1];
    (next?.querySelector("input:checked") ?? next?.querySelector("input") ?? wanted).focus();
  });

  // Enter goes to the next answer where the person prefers that, and after the last to the button; elsewhere it saves, as browsers do.
  if (form.dataset.enter === "next") {
    const asked = (box) => {
      if (!box.offsetParent || box.closest(".msgs")) return false;
      const group = box.type === "radio" ? [...form.querySelectorAll(`[name="${CSS.escape(box.name)}"]`)] : [];
      return box.type !== "radio" || box.checked || (box === group[0] && !group.some((one) => one.checked));
    };
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey || event.metaKey || !event.target.matches("input, select") || event.target.getAttribute("aria-expanded") === "true") return;
      const boxes = [...form.querySelectorAll(".item :is(input:not([type=hidden]):not(.note), select:not(.miss), textarea)")].filter(asked);
      const after = (box) => event.target.compareDocumentPosition(box) & Node.DOCUMENT_POSITION_FOLLOWING;
      event.preventDefault();
      (boxes.find((box) => after(box) && box.name !== event.target.name) ?? form.querySelector("[data-next]") ?? form.querySelector("[data-save]")).focus();
    });
  }
}
