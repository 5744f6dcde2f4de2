// Every page: "/" goes to the search box; a password is sent once. Single-key shortcuts only act outside fields (WCAG 2.1.4).
const search = document.querySelector('[data-key="/"]');
const typing = (element) => element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName));

if (search) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) return;
    event.preventDefault();
    search.focus();
  });
}

// A right password changes the session's token: pressed twice, the second would come with the one that opens nothing any more.
let sent = null;
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !event.target.querySelector('input[type="password"]')) return;
  if (sent === event.target) event.preventDefault();
  sent = event.target;
  setTimeout(() => { sent = null; }, 2000);
});
window.addEventListener("pageshow", () => { sent = null; });
