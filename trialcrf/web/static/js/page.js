// Every page: "/" goes to the search box, "?" to the list of shortcuts; a password is sent once. Single-key shortcuts only act outside fields (WCAG 2.1.4).
const search = document.querySelector('[data-key="/"]');
const typing = (element) => element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName));

// Whoever switched single keys off has a page that does not name them.
if ("keys" in document.body.dataset) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
    }
    if (event.key === "?") {
      event.preventDefault();
      const list = document.querySelector("dialog[data-keys-list]");
      if (list) list.showModal();
      else if (document.body.dataset.keys) location.assign(document.body.dataset.keys);
    }
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

// What takes longer than a moment says so: at the button that was pressed, and to whoever hears the page. Without script the browser does.
const SOON = 700, FILE = 6000; // milliseconds
const working = document.querySelector("#working");
let pressed = null, soon = 0;

const rest = () => {
  clearTimeout(soon);
  pressed?.removeAttribute("aria-busy");
  working?.replaceChildren();
  pressed = null;
};
window.addEventListener("submit", (event) => {
  // Asked last of all: what another script keeps on the page goes nowhere.
  if (event.defaultPrevented || event.target.method === "dialog" || event.target.target || !working) return;
  rest();
  pressed = event.submitter;
  soon = setTimeout(() => {
    pressed?.setAttribute("aria-busy", "true");
    const file = event.target.hasAttribute("data-file");
    working.textContent = file ? working.dataset.file : working.dataset.said;
    if (file) soon = setTimeout(rest, FILE); // The browser saves it, and the page stays.
  }, SOON);
});
window.addEventListener("pageshow", rest);
