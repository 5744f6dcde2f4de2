// Fields for codes that a scanner types: a scanner ends with Enter, which here goes on to the next question instead of sending the form.
// Without script Enter saves, as in any field, and the page says what is still missing.
const asked = "input:not([type=hidden]):not(.note), select:not([data-missing]), textarea, button[data-save], button.main";

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (!(field instanceof HTMLInputElement) || !("scan" in field.dataset) || !field.form) return;
  event.preventDefault();
  const order = [...field.form.elements].filter((one) => one.matches(asked) && one.offsetParent && !one.disabled);
  order[order.indexOf(field) + 1]?.focus();
});
