// Every page: "/" goes to the search box. Single-key shortcuts only act outside fields (WCAG 2.1.4).
const search = document.querySelector('[data-key="/"]');
const typing = (element) => element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName));

if (search) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) return;
    event.preventDefault();
    search.focus();
  });
}
