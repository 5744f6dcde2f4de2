// Checks as a field is left: the server judges, this draws what it says where the page itself would have. No rule stands here.
const form = document.querySelector("form[data-check]");

const PAUSE = 40, PATIENCE = 8000;

if (form) {
  const spoken = document.querySelector("[data-check-said]");
  const left = new Set();
  let waiting = 0, asking = false, again = false, going = false, pressed = false, held = null;

  const items = () => [...form.querySelectorAll(".item[data-item]")];
  const boxes = (item) => [...item.querySelectorAll("input:not([type=hidden]), select, textarea")];
  const blank = (item) => boxes(item).every((box) => (box.type === "radio" || box.type === "checkbox" ? !box.checked : !box.value));
  const pattern = (name) => document.querySelector(`template[data-pattern="${name}"]`)?.content.firstElementChild.cloneNode(true);
  // The missing code and its note are asked beside the answer: whoever goes on to them has left the answer.
  const within = (item, element) => item.contains(element) && !element.matches(".miss, .note");
  const sent = (act = "") => {
    const body = new URLSearchParams(new FormData(form));
    body.delete("save_token");
    if (act) body.set("act", act);
    return body;
  };

  const coded = (name, id) => {
    const made = pattern(name.startsWith("ok.") ? "ok" : "why");
    if (!made) return null;
    const select = made.querySelector("select");
    select.id = id;
    select.name = name;
    made.querySelector("label").htmlFor = id;
    return made;
  };

  // What stood there before and still holds is left alone: somebody may have answered it already.
  const message = (told, said, key) => {
    const old = [...told.querySelectorAll(".msg")].find((one) => one.dataset.check === said.check && one.classList.contains(said.kind));
    const line = old ?? pattern(said.kind);
    const words = line.querySelector("[data-text]") ?? line.querySelector(":scope > span");
    const news = !old || (line.querySelector("[data-text]") && words.textContent !== said.text);
    line.id = said.id;
    line.dataset.check = said.check;
    if (line.querySelector("[data-text]")) words.textContent = said.text;
    const more = old?.nextElementSibling;
    if (more?.matches(".more") && more.dataset.of === said.check) return { lines: [line, more], news };
    if (said.kind !== "soft") return { lines: [line], news };
    const name = `ok.${key}.${said.check}`;
    const after = said.confirmed ? pattern("confirmed") : coded(name, name.replaceAll(".", "-"));
    if (said.confirmed) after.querySelector("[data-text]").textContent = said.confirmed;
    if (after) after.dataset.of = said.check;
    return { lines: after ? [line, after] : [line], news };
  };

  const messages = (item, key, field) => {
    let told = item.querySelector(":scope > .msgs");
    if (!told && !field.said.length) return [];
    if (!told) {
      told = document.createElement("div");
      told.className = "msgs";
      item.querySelector(':scope > input[name="p"]')?.before(told) ?? item.append(told);
    }
    const news = [], lines = [];
    for (const said of field.said) {
      const found = message(told, said, key);
      lines.push(...found.lines);
      if (found.news) news.push(found.lines[0]);
    }
    // A reason that was chosen is no longer asked for, and stays.
    let why = told.querySelector(`[name="why.${key}"]`);
    if (field.why && !why) lines.push(coded(`why.${key}`, `why.${key}`.replaceAll(".", "-")));
    else if (why && (field.why || why.value)) lines.push(why.closest(".more"));
    told.replaceChildren(...lines.filter(Boolean));
    if (!told.childElementCount) told.remove();
    return news;
  };

  const marked = (item, field) => {
    const has = (kind) => field.said.some((said) => said.kind === kind);
    item.classList.toggle("err", has("hard"));
    item.classList.toggle("ask", !has("hard") && has("soft"));
    const set = item.querySelector("fieldset");
    const control = document.getElementById(field.id);
    const about = set ?? control;
    if (field.described) about?.setAttribute("aria-describedby", field.described);
    else about?.removeAttribute("aria-describedby");
    const wrong = !set ? [control] : set.getAttribute("role") === "radiogroup" ? [set] : boxes(item).filter((box) => box.matches("input:not(.note)"));
    for (const one of wrong) {
      if (has("hard")) one?.setAttribute("aria-invalid", "true");
      else one?.removeAttribute("aria-invalid");
    }
    item.querySelector(".set")?.toggleAttribute("data-bad", has("hard"));
  };

  const computed = (item, field) => {
    const value = item.querySelector("[data-derived]");
    if (!value || field.shown === undefined) return;
    const now = document.createElement("span");
    if (!field.shown) {
      now.className = "hint";
      now.textContent = value.dataset.blank;
    }
    const unit = document.createElement("span");
    unit.className = "unit";
    unit.setAttribute("aria-hidden", "true");
    unit.textContent = value.dataset.derived;
    value.replaceChildren(...(field.shown ? [field.shown, ...(value.dataset.derived ? [" ", unit] : [])] : [now]));
  };

  const beside = (item, field) => {
    if ("begun" in form.dataset) return;
    let line = item.querySelector(".before");
    if (!line && field.before) {
      line = document.createElement("span");
      line.className = "before";
      item.querySelector(".ctl")?.append(line);
    }
    if (line && line.textContent.trim() !== field.before) line.textContent = field.before;
  };

  const draw = (answer) => {
    const said = [], fields = new Map(Object.entries(answer.fields)), waits = new Map(Object.entries(answer.later));
    for (const item of items()) {
      const key = item.dataset.item, field = fields.get(key);
      if (!field) continue;
      computed(item, field);
      beside(item, field);
      // Whoever is at a field is not interrupted there, and one that was not reached yet does not complain.
      const busy = within(item, document.activeElement);
      if (!busy) item.hidden = !field.asked && blank(item);
      if (busy || (!left.has(key) && !item.querySelector(":scope > .msgs"))) continue;
      const news = messages(item, key, field);
      marked(item, field);
      const label = item.querySelector(".lab")?.textContent.trim() ?? "";
      if (left.has(key)) said.push(...news.map((line) => `${label}: ${line.textContent.trim()}`));
    }
    for (const later of form.querySelectorAll("[data-later]")) {
      const words = waits.get(later.dataset.later) ?? "";
      later.hidden = !words;
      later.querySelector("span").textContent = words;
    }
    if (said.length) spoken.textContent = said.join(" ").replace(/\s+/g, " ");
    const drawn = new Set(items().map((item) => item.dataset.item));
    if ([...fields].some(([key, field]) => field.asked && !drawn.has(key))) more();
  };

  // Questions that are asked now are drawn by the server as without script; a page of our own is read, and nothing in it is run.
  const trusted = window.trustedTypes?.createPolicy("trialcrf", { createHTML: (page) => page }) ?? { createHTML: (page) => page };
  const more = async () => {
    let page;
    try {
      const answer = await fetch(location.pathname, { method: "POST", body: sent("update"), redirect: "manual" });
      if (answer.status !== 200 || going) return;
      page = new DOMParser().parseFromString(trusted.createHTML(await answer.text()), "text/html");
    } catch { return; }
    const own = new Set(items().map((item) => item.dataset.item));
    for (const group of page.querySelectorAll("form[data-check] .group[id]")) {
      const mine = document.getElementById(group.id);
      if (!mine) continue;
      if (!mine.querySelector(".item[data-item]") && group.querySelector(".item[data-item]")) {
        mine.replaceWith(document.importNode(group, true));
        continue;
      }
      let last = null;
      for (const item of group.querySelectorAll(".item[data-item]")) {
        const here = form.querySelector(`[id="${item.id}"]`);
        if (!here && !own.has(item.dataset.item) && last) last.after(document.importNode(item, true));
        else if (!here && !own.has(item.dataset.item)) firstOf(mine, group)?.before(document.importNode(item, true));
        last = form.querySelector(`[id="${item.id}"]`);
      }
    }
  };
  const firstOf = (mine, group) => {
    const known = [...group.querySelectorAll(".item[data-item]")].find((item) => mine.querySelector(`[id="${item.id}"]`));
    return known && mine.querySelector(`[id="${known.id}"]`);
  };

  const ask = async () => {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    again = false;
    let answer = null;
    try {
      const told = await fetch(form.dataset.check, { method: "POST", body: sent(), redirect: "manual", signal: AbortSignal.timeout(PATIENCE) });
      if (told.status === 200) answer = await told.json();
    } catch { /* Without a network nothing is said here: what is typed is another module's care, and the save judges again. */ }
    asking = false;
    // The page went on meanwhile: what was said of it is late.
    if (again) plan();
    else if (answer && !going) {
      // Nothing moves under a pointer that is pressed: the click would land beside its button.
      if (pressed) held = answer;
      else draw(answer);
    }
  };

  const plan = () => {
    clearTimeout(waiting);
    if (asking) again = true;
    else waiting = setTimeout(ask, PAUSE);
  };

  form.addEventListener("focusout", (event) => {
    const item = event.target.closest(".item[data-item]");
    if (!item || !document.hasFocus() || within(item, event.relatedTarget)) return;
    if (item.contains(event.relatedTarget) && blank(item)) return;
    left.add(item.dataset.item);
    plan();
  });
  // A choice is an answer at once; a text only when its field is left.
  form.addEventListener("change", (event) => { if (event.target.matches("select, [type=radio], [type=checkbox]")) plan(); });
  form.addEventListener("input", () => { if (asking) again = true; });
  window.addEventListener("online", () => { if (left.size) plan(); });
  form.addEventListener("submit", () => { going = true; });
  window.addEventListener("pageshow", () => { going = false; });
  document.addEventListener("pointerdown", () => { pressed = true; });
  for (const kind of ["pointerup", "pointercancel"]) {
    document.addEventListener(kind, () => setTimeout(() => {
      pressed = false;
      if (held && !going) draw(held);
      held = null;
    }, 60));
  }
}
