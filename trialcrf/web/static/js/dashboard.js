// Figures that were not drawn yet when the page came are asked for until they are there; without script one looks again by a link.
import { again, taken } from "./again.js";

const notice = document.querySelector("#drawing");
const EVERY = 1200; // milliseconds
const TIMES = 60;

const waiting = () => [...document.querySelectorAll("[data-figure]")].filter((place) => place.querySelector(".waits[data-soon]"));

const take = async () => {
  const page = await again(notice.dataset.again);
  if (!page) return false;
  for (const place of waiting()) {
    const found = page.querySelector(`[data-figure="${place.dataset.figure}"]`);
    if (found && !found.querySelector(".waits[data-soon]")) place.replaceChildren(...taken(found));
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
