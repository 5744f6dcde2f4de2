// Lets the minutes since a thaw run; what the server wrote stands until then, and without script.
export const tick = (root = document) => {
  for (const line of root.querySelectorAll("[data-thawed]")) {
    const passed = Math.floor((Date.now() - Date.parse(line.dataset.thawed)) / 60000);
    const limit = Number(line.dataset.limit);
    const minutes = line.querySelector("[data-minutes]");
    const left = line.querySelector("[data-left]");
    const beyond = line.querySelector("[data-beyond]");
    if (minutes) minutes.textContent = passed;
    if (limit && left) left.textContent = Math.max(0, limit - passed);
    if (limit && beyond && passed > limit) {
      line.classList.add("beyond");
      beyond.hidden = false;
    }
  }
};

setInterval(tick, 15000, document);
