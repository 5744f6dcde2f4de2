// Every minute the states of the readings are read anew; what is being typed is never touched.
import { tick } from "./since.js";

const forms = () => [...document.querySelectorAll("form[data-reading]")];
const typed = (form) => [...form.querySelectorAll('input:not([type="hidden"])')].some((box) => box.value !== box.defaultValue);

for (const form of forms()) {
  let leaving = false;
  form.addEventListener("submit", (event) => {
    if (leaving) event.preventDefault();
    leaving = true;
  });
  window.addEventListener("pageshow", () => { leaving = false; });
}

// What is read is a page of our own, and nothing in it is run: its parts are taken over one by one.
const trusted = window.trustedTypes?.createPolicy("trialcrf", { createHTML: (page) => page }) ?? { createHTML: (page) => page };

const renew = async () => {
  if (document.hidden) return;
  let page;
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html", "Trialcrf-Unattended": "1" } });
    if (!answer.ok || answer.redirected) return;
    page = new DOMParser().parseFromString(trusted.createHTML(await answer.text()), "text/html");
  } catch { return; /* No network: the page stands as it is. */ }
  const busy = forms().some((form) => typed(form) || form.contains(document.activeElement));
  for (const part of document.querySelectorAll("[data-part]")) {
    const card = part.closest("[data-point]");
    const found = card ? page.querySelector(`[data-point="${card.dataset.point}"] [data-part="${part.dataset.part}"]`) : page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!found || part.contains(document.activeElement) || found.innerHTML === part.innerHTML) continue;
    part.replaceChildren(...[...found.childNodes].map((node) => document.importNode(node, true)));
  }
  for (const card of document.querySelectorAll("[data-point]")) {
    const found = page.querySelector(`[data-point="${card.dataset.point}"]`);
    if (!found) continue;
    card.className = found.className;
    const [mine, theirs] = [card.querySelector("details"), found.querySelector("details")];
    // What is due now opens by itself, and what is taken meanwhile goes, unless somebody is typing.
    if (busy) continue;
    if (mine && theirs) mine.open = mine.open || theirs.open;
    else if (theirs) card.append(document.importNode(theirs, true));
    else if (mine) mine.remove();
  }
  tick();
};

setInterval(renew, 60000);
