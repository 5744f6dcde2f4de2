// At the bedside: a scanner ends with Enter, which leads to the next empty box here; without script it sends a page that is told incomplete.
import "./since.js";

const form = document.querySelector("form[data-check]");

if (form) {
  let leaving = false;
  const boxes = () => [...form.querySelectorAll('input:not([type="hidden"])')].filter((box) => box.offsetParent);
  const filled = (box) => (box.type === "radio" ? form.querySelector(`[name="${box.name}"]:checked`) !== null : box.value.trim() !== "");

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    const empty = boxes().find((box) => !filled(box));
    if (!empty && !event.target.matches("[data-scan]")) return;
    event.preventDefault();
    (empty ?? form.querySelector("button")).focus();
  });
  form.addEventListener("submit", (event) => {
    // A second press would send the same check twice.
    if (leaving) event.preventDefault();
    leaving = true;
  });
  window.addEventListener("pageshow", () => { leaving = false; });
}
