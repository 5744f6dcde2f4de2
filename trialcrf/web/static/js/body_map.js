// The totals of a body map as the grades are chosen; without script a CSS counter and the button “Compute the total” do it.
for (const map of document.querySelectorAll("[data-body-map]")) {
  const sums = map.querySelector(".sums");
  const output = sums.querySelector("output");
  const sites = [...map.querySelectorAll("[data-site]")];
  if (!sites.length) continue;

  const count = () => {
    const grades = sites
      .filter((site) => !site.querySelector("[data-missing]")?.value)
      .map((site) => site.querySelector("input:checked")?.value)
      .filter(Boolean)
      .map(Number);
    const sum = grades.reduce((all, one) => all + one, 0);
    const whole = grades.length === sites.length;
    output.dataset.state = whole ? "whole" : "part";
    output.querySelector("[data-sum]").textContent = sum;
    output.querySelector("[data-scored]").textContent = grades.length;
    const change = sums.querySelector("[data-change]");
    if (change) {
      const by = sum - Number(sums.dataset.earlier);
      change.textContent = !whole ? "–" : by > 0 ? `+${by}` : by < 0 ? `−${-by}` : "0";
    }
  };
  map.dataset.live = "";
  map.addEventListener("input", count);
  count();
}
