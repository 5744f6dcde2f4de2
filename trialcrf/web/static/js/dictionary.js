// Terms of a dictionary while one types (WAI-ARIA 1.2, editable combobox with a list); without script a link leads to the same search.
const WAIT = 120; // milliseconds after the last key

for (const combo of document.querySelectorAll("[data-lookup]")) {
  const input = combo.querySelector("input");
  const fields = input.form.elements;
  const words = combo.dataset;
  const list = document.createElement("ul");
  const status = document.createElement("span");
  list.id = `${input.id}-list`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", words.label);
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  combo.append(list, status);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);

  let terms = [];
  let active = -1;
  let timer = 0;
  let asking = null;
  let brought = "";

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (number) => {
    active = number;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === number)));
    const option = list.children[number];
    if (!option) return;
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };
  const small = (text) => {
    const made = document.createElement("small");
    made.textContent = text;
    return made;
  };
  const show = () => {
    list.replaceChildren(...terms.map((one, number) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${number}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const named = document.createElement("span");
      named.lang = "en"; // Terms are English on a French page too: read aloud as such.
      named.textContent = one.term;
      option.append(named, small([one.also, one.parent, one.class].filter(Boolean).join(" · ")));
      // Not on click: the box would lose the focus first, and the list be closed.
      option.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(number); });
      return option;
    }));
    active = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = terms.length === 0;
    input.setAttribute("aria-expanded", String(terms.length > 0));
    status.textContent = terms.length ? `${words.found} ${terms.length}` : words.none;
  };
  const ask = async () => {
    asking?.abort();
    const asked = input.value.trim();
    if (asked.length < 2) { terms = []; close(); status.textContent = ""; return; }
    asking = new AbortController();
    try {
      const url = new URL(words.lookup, location.href);
      url.searchParams.set("q", asked);
      const answer = await fetch(url, { signal: asking.signal, headers: { Accept: "application/json" } });
      if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) return;
      terms = await answer.json();
      if (document.activeElement === input) show();
    } catch { /* Asked anew meanwhile, or no network: the box is an ordinary box then. */ }
  };

  // The choices of the grade: those that the term has not are told and cannot be chosen; one that is chosen already stays, for the server to judge.
  const choices = () => {
    const found = words.grade && fields.namedItem(words.grade);
    if (!found) return [];
    const every = found instanceof HTMLSelectElement ? [...found.options] : found instanceof RadioNodeList ? [...found] : [found];
    return every.filter((one) => one.value && one.type !== "hidden");
  };
  const grade = (term) => {
    // A Map, because names that come from outside are looked up in it: an object has names of its own, such as “constructor”.
    const known = new Map(Object.entries(term?.grades ?? {}));
    const box = document.getElementById(words.graded);
    const lines = [];
    for (const one of choices()) {
      const absent = known.size > 0 && !known.has(one.value);
      const picked = one instanceof HTMLOptionElement ? one.selected : one.checked;
      one.disabled = absent && !picked;
      if (one instanceof HTMLOptionElement) {
        one.dataset.label ??= one.textContent;
        one.textContent = absent ? `${one.dataset.label} (${words.absent})` : one.dataset.label;
      } else {
        const label = one.closest("label");
        label.querySelector(".without")?.remove();
        if (absent) {
          const said = document.createElement("span");
          said.className = "without";
          said.textContent = words.absent;
          label.append(said);
        }
      }
      if (absent || known.get(one.value)) lines.push([one.value, absent ? "" : known.get(one.value)]);
    }
    if (!box) return;
    box.hidden = lines.length === 0;
    box.querySelector("p").textContent = known.size ? term.term : "";
    box.querySelector("dl").replaceChildren(...lines.map(([code, text]) => {
      const line = document.createElement("div");
      const name = document.createElement("dt");
      const said = document.createElement("dd");
      name.textContent = `${words.word} ${code}`;
      said.textContent = text || words.absent;
      if (text) { said.lang = "en"; said.dataset.study = ""; } else line.className = "absent";
      line.append(name, said);
      return line;
    }));
  };
  const fill = (term) => {
    const select = words.class && fields.namedItem(words.class);
    // A class that a person chose is left alone; one that came along with another term follows the term.
    if (!(select instanceof HTMLSelectElement) || (select.value && select.value !== brought)) return;
    const option = [...select.options].find((one) => one.value.toLowerCase() === term.soc.toLowerCase());
    select.value = brought = option?.value ?? "";
  };
  const choose = (number) => {
    const term = terms[number];
    input.value = term.term;
    close();
    fill(term);
    grade(term);
    status.textContent = `${term.term}. ${term.class}.`;
    input.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: "chosen" }));
  };

  input.addEventListener("input", (event) => {
    if (event.detail === "chosen") return;
    grade(null);
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  input.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) { if (terms.length) show(); else ask(); return; }
      const last = terms.length - 1;
      mark(event.key === "ArrowDown" ? (active >= last ? 0 : active + 1) : active <= 0 ? last : active - 1);
    } else if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      event.stopPropagation();
      choose(active);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  input.addEventListener("blur", () => {
    close();
    // A term that was typed out to its end counts as chosen.
    const typed = terms.find((one) => one.term.toLowerCase() === input.value.trim().toLowerCase());
    if (typed) { fill(typed); grade(typed); }
  });

  // The term that stands in the form when the page opens.
  if (words.known) grade(JSON.parse(words.known));
}
