// What is typed is kept on the server within seconds, and the page says since when. Nothing of it is kept in the browser.
import { offer } from "./passkey.js";

const PAUSE = 1200, AGAIN = 4000, LATEST = 5000;
const KEPT = 204, ENDED = 401, ANOTHER = 400;

const dialog = document.querySelector("dialog[data-again]");
const every = [];

// `to` is where what the form holds is kept, `said` what tells of it; `address` names it among the forms of a fixed page.
const begin = (form, to, said, address = "") => {
  let page = form.elements.namedItem("save_token").value;
  let turn = 0, first = 0, waiting = 0, since = 0, typed = 0, kept = 0, sending = null, passing = false;

  const say = (what, at = "") => {
    said.dataset.state = what;
    said.textContent = said.dataset[what].replace("{at}", at);
  };
  const clock = () => new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const held = () => {
    const body = new URLSearchParams(new FormData(form));
    // What must never be kept is not even sent.
    for (const box of form.querySelectorAll("input[type=password], input[type=file], input[name=save_token]")) body.delete(box.name);
    if (address) body.set("address", address);
    body.set("page", page);
    body.set("turn", String(++turn));
    body.set("typed_for", String(Date.now() - first));
    return body;
  };

  // Answers whether everything typed so far is kept.
  const keep = async (leaving = false) => {
    clearTimeout(waiting);
    waiting = since = 0;
    if (kept === typed) return true;
    if (sending && !leaving) {
      await sending;
      return keep();
    }
    const upTo = typed;
    let answer = null;
    // A page that is left sends with `keepalive`, which takes 64 kB: more than any form of a visit holds.
    sending = fetch(to, { method: "POST", body: held(), keepalive: leaving, redirect: "manual" }).then((one) => { answer = one; }, () => {});
    await sending;
    sending = null;
    if (answer?.status === KEPT) {
      kept = Math.max(kept, upTo);
      form.dataset.kept = kept === typed ? "yes" : "no";
      say("kept", clock());
      return kept === typed;
    }
    if (answer?.status === ENDED || answer?.status === ANOTHER) {
      say("ended");
      if (!leaving && !dialog.open) dialog.showModal();
    } else if (answer && answer.status >= 400 && answer.status < 500) {
      say("refused");
      return false;
    } else {
      say("lost");
    }
    plan(AGAIN);
    return false;
  };

  const plan = (pause) => {
    clearTimeout(waiting);
    // Whoever types without a pause is kept up with all the same.
    waiting = setTimeout(keep, Math.max(0, Math.min(pause, since ? LATEST - (Date.now() - since) : pause)));
    since ||= Date.now();
  };

  form.addEventListener("input", (event) => {
    if (event.target.matches("[type=password], [type=file]")) return;
    first ||= Date.now();
    typed += 1;
    form.dataset.kept = "no";
    plan(PAUSE);
  });
  form.addEventListener("focusout", () => { if (kept !== typed) plan(0); });
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(true); });
  window.addEventListener("pagehide", () => { if (!passing) keep(true); });
  window.addEventListener("online", () => keep());
  // A page that comes back from the browser's memory was saved, perhaps: what is typed in it now is another draft.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) page = [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
    passing = false;
  });

  // Before a save leaves the page, everything that was typed is kept: whatever happens then, it is there.
  document.addEventListener("submit", async (event) => {
    if (event.target !== form || passing) return;
    const ago = form.elements.namedItem("typed_for");
    if (ago) ago.value = first ? String(Date.now() - first) : "";
    if (kept === typed) return;
    event.preventDefault();
    event.stopPropagation();
    const by = event.submitter;
    if (await keep() || said.dataset.state === "refused") {
      passing = true;
      form.requestSubmit(by);
    } else {
      said.focus();
    }
  }, true);

  every.push(keep);
};

const own = document.querySelector("form[data-draft]");
if (own) begin(own, own.dataset.draft, own.querySelector("[data-draft-said]"));

// The forms of a fixed page: each says below its boxes what is kept of it.
const fixed = document.querySelector("template[data-drafts]");
if (fixed) {
  const addresses = new Map(Object.entries(JSON.parse(fixed.dataset.drafts)));
  for (const form of document.querySelectorAll("form")) {
    const url = new URL(form.getAttribute("action") || location.href, location.href).pathname;
    if (form.getAttribute("method") !== "post" || !addresses.has(url) || form === own) continue;
    const line = fixed.content.firstElementChild.cloneNode(true);
    form.append(line);
    begin(form, fixed.dataset.to + location.search, line.querySelector("[data-draft-said]"), addresses.get(url));
    if (url === fixed.dataset.open) form.closest("details")?.setAttribute("open", "");
  }
}

if (dialog) {
  const { lost } = (own ?? fixed.content).querySelector("[data-draft-said]").dataset;
  const [name, second] = dialog.querySelectorAll("form");
  const ask = (more) => {
    const step = Boolean(more.step);
    name.hidden = step;
    second.hidden = !step;
    if (step) {
      second.elements.step.value = more.step;
      const key = second.querySelector("[data-passkey]");
      key.hidden = !more.passkey;
      if (more.passkey) {
        key.dataset.options = more.passkey;
        offer(key);
      }
      second.querySelector("[data-code]").hidden = !(more.codes || more.recovery);
    }
    const problem = dialog.querySelector("[role=alert][data-problem]");
    problem.textContent = more.problem ?? "";
    problem.hidden = !more.problem;
    dialog.querySelector("form:not([hidden]) input:not([type=hidden])")?.focus();
  };
  for (const one of [name, second]) {
    one.addEventListener("submit", async (event) => {
      event.preventDefault();
      let answer = null, more = {};
      try {
        answer = await fetch(one.action, { method: "POST", body: new URLSearchParams(new FormData(one)) });
        more = await answer.json();
      } catch { more = { problem: lost, step: one === second ? second.elements.step.value : "" }; }
      if (answer?.status !== 200) {
        ask(more);
        return;
      }
      for (const box of document.querySelectorAll('input[name="token"]')) box.value = more.token;
      for (const box of dialog.querySelectorAll('input:not([type="hidden"], [readonly])')) box.value = "";
      ask({});
      dialog.close();
      for (const keep of every) keep();
    });
  }
}
