// Figures that were not drawn yet when the page came are asked for until they are there; without script one looks again by a link.
const notice = document.querySelector("#drawing");
const EVERY = 1200; // milliseconds
const TIMES = 60;

// What is read is this page again, and nothing in it is run: its drawings are taken over one by one.
const trusted = window.trustedTypes?.createPolicy("trialcrf", { createHTML: (page) => page }) ?? { createHTML: (page) => page };
const waiting = () => [...document.querySelectorAll("[data-figure]")].filter((place) => place.querySelector(".waits[data-soon]"));

const take = async () => {
  const answer = await fetch(notice.dataset.again, { headers: { Accept: "text/html", "Trialcrf-Unattended": "1" } });
  if (!answer.ok || answer.redirected) return false; // Signed out meanwhile: the link leads to the sign-in.
  const page = new DOMParser().parseFromString(trusted.createHTML(await answer.text()), "text/html");
  for (const place of waiting()) {
    const found = page.querySelector(`[data-figure="${place.dataset.figure}"]`);
    if (found && !found.querySelector(".waits[data-soon]")) place.replaceChildren(...[...found.childNodes].map((node) => document.importNode(node, true)));
  }
  return true;
};

const look = async (left) => {
  let goes = true;
  try { goes = await take(); } catch { /* No network: asked again, and the link is still there. */ }
  if (!waiting().length) notice.replaceChildren(); // An empty one takes no room.
  else if (goes && left) setTimeout(look, EVERY, left - 1);
};

if (notice) look(TIMES);
