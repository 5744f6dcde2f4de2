// Going about a form by keys: the next empty or doubtful field, the forms of the visit, copying, and the list of all shortcuts.
const form = document.querySelector("form[data-entry]");
const list = document.querySelector("dialog[data-keys-list]");

const open = (event) => {
  event.preventDefault();
  if (list && !list.open) list.showModal();
};
document.querySelector("[data-keys-open]")?.addEventListener("click", (event) => { if (list) open(event); });

// What stands beside an answer is not what is empty: the missing code, its note, and what asks for reasons.
const answers = (item) => [...item.querySelectorAll("input:not([type=hidden]):not(.note), select:not(.miss), textarea")].filter((box) => !box.closest(".msgs"));
const told = (box) => (box.type === "radio" || box.type === "checkbox" ? box.checked : Boolean(box.value.trim()));
const empty = (item) => {
  const boxes = answers(item);
  if (!boxes.length || item.querySelector(".miss")?.value) return null;
  const choice = boxes.some((box) => box.type === "radio" || box.type === "checkbox");
  return choice ? (boxes.some(told) ? null : boxes[0]) : (boxes.find((box) => !told(box)) ?? null);
};
const wrong = (item) => {
  const asked = [...item.querySelectorAll(".msgs select")].find((one) => !one.value);
  if (asked) return asked;
  const settled = !item.querySelector(".msg.hard") || item.querySelector('.msgs select[name^="why."]')?.value;
  return settled ? null : (answers(item).find((box) => box.checked) ?? answers(item)[0] ?? null);
};

if (form) {
  const jumps = document.querySelector("[data-jumps]");
  const said = document.querySelector("[data-jump-said]");
  if (jumps) jumps.hidden = false;
  let last = null;
  form.addEventListener("focusin", (event) => { last = event.target.closest(".item[data-item]") ?? last; });

  // From the field in focus onwards, and round again from the first.
  const jump = (kind) => {
    const found = kind === "empty" ? empty : wrong;
    const items = [...form.querySelectorAll(".item[data-item]")].filter((item) => item.offsetParent);
    const at = items.indexOf(document.activeElement.closest?.(".item[data-item]") ?? last) + 1;
    for (const item of [...items.slice(at), ...items.slice(0, at)]) {
      const box = found(item);
      if (!box) continue;
      box.focus();
      box.scrollIntoView({ block: "center" });
      return;
    }
    said.textContent = said.dataset[kind];
  };
  for (const button of document.querySelectorAll("[data-jump]")) button.addEventListener("click", () => jump(button.dataset.jump));

  const steps = [...document.querySelectorAll(".steps a")];
  const here = steps.findIndex((step) => step.getAttribute("aria-current") === "step");
  const acts = new Map([
    ["j", () => jump("empty")],
    ["k", () => jump("wrong")],
    ["n", () => steps[here + 1]?.click()],
    ["p", () => { if (here > 0) steps[here - 1].click(); }],
    ["c", () => form.querySelector("[data-copy]")?.click()],
  ]);
  document.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const act = acts.get(event.key.toLowerCase());
    if (!act) return;
    event.preventDefault();
    act();
  });
}
