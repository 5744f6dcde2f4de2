// Lines of files that are being drawn are asked for again until none is; without script one looks again by a link.
import { again, taken } from "./again.js";

const EVERY = 3000; // milliseconds
const TIMES = 400;
const told = document.querySelector("[data-drawing]");
const waiting = () => [...document.querySelectorAll("tr[data-line]")].filter((row) => row.querySelector("progress"));

const take = async () => {
  const page = await again(location.href);
  if (!page) return false;
  for (const row of waiting()) {
    const now = page.querySelector(`tr[data-line="${row.dataset.line}"]`);
    const inside = row.contains(document.activeElement);
    if (!now) continue;
    row.replaceChildren(...taken(now));
    if (inside) row.querySelector("a, button")?.focus(); // Whoever was in this line stays in it.
  }
  return true;
};

const look = async (left) => {
  let goes = true;
  try { goes = await take(); } catch { /* No network: asked again, and the link is still there. */ }
  if (!waiting().length) told.textContent = told.dataset.drawing;
  else if (goes && left) setTimeout(look, EVERY, left - 1);
};

if (told) setTimeout(look, EVERY, TIMES);
