// Each key is kept on the server at once, and the page says since when. Nothing of it is kept in the browser.
import { offer } from "./passkey.js";

// Milliseconds: between two sendings (a scanner types forty letters in that time; at a fixed page each costs the server what the page
// reads), after one that failed, that an answer may take, and without a key until the page speaks: whoever types looks at paper, and a
// dialog would swallow what they type.
const SPACE = 100, CALM = 1000, AGAIN = 4000, PATIENCE = 6000, REST = 2000;
const MOST = 3; // sendings on their way: a slow server is not asked more often by whoever types fast.
const KEPT = 204, ENDED = 401, ANOTHER = 400, SAVED = 409;

const dialog = document.querySelector("dialog[data-again]");
const every = [];
let pressed = 0, sessions = 0, passing = false;

const another = () => [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
const clock = () => new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// Asks to sign in as soon as the hands rest, or at once where a save waits for it.
const over = (now = false) => {
  if (!dialog || dialog.open || !every.some((one) => one.said.dataset.state === "ended")) return;
  const rest = REST - (Date.now() - pressed);
  if (now || rest <= 0) dialog.showModal();
  else setTimeout(over, rest);
};

// `to` is where what the form holds is kept, `said` what tells of it; `address` names it among the forms of a fixed page.
const begin = (form, to, said, space = SPACE, address = "") => {
  let page = form.elements.namedItem("save_token").value;
  let turn = 0, first = 0, waiting = 0, speaking = 0, began = 0, typed = 0, sent = 0, kept = 0, flying = 0, sending = null, failing = false;

  const say = (what, at = "") => {
    const words = said.dataset[what].replace("{at}", at);
    const news = said.dataset.state !== what;
    said.dataset.state = what;
    clearTimeout(speaking);
    // What goes well is told when the typing rests: a screen reader would tell it at each key.
    if (news) said.textContent = words;
    else speaking = setTimeout(() => { said.textContent = words; }, REST);
  };
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
  const keep = async (now = false, leaving = false) => {
    clearTimeout(waiting);
    if (kept === typed) {
      failing = false;
      return true;
    }
    if (sending && !now) {
      await sending;
      return keep();
    }
    const upTo = sent = typed, under = page, session = sessions;
    let answer = null;
    began = Date.now();
    // A page that is left sends with `keepalive`, which takes 64 kB: more than any form of a visit holds. A network that takes everything
    // and answers nothing is as good as none.
    const asked = { method: "POST", body: held(), keepalive: leaving, redirect: "manual", signal: AbortSignal.timeout(PATIENCE) };
    const mine = fetch(to, asked).then((one) => { answer = one; }, () => {});
    sending = mine;
    flying += 1;
    await mine;
    flying -= 1;
    if (sending === mine) sending = null;
    if (answer?.status !== KEPT && kept >= upTo) return kept === typed; // A newer one was kept.
    failing = answer?.status !== KEPT;
    if (!failing) {
      kept = Math.max(kept, upTo);
      form.dataset.kept = kept === typed ? "yes" : "no";
      say("kept", clock());
      if (kept !== typed) soon();
      return kept === typed;
    }
    if (answer?.status === SAVED) {
      // This page was saved and stands here all the same: what is typed in it now is another draft.
      if (page === under) page = another();
      return keep();
    }
    // An answer to what was sent before somebody signed in again says nothing of this session.
    if ((answer?.status === ENDED || answer?.status === ANOTHER) && session !== sessions) return keep();
    if (answer?.status === ENDED || answer?.status === ANOTHER) {
      say("ended");
      if (!leaving) over();
    } else if (answer && answer.status >= 400 && answer.status < 500) {
      say("refused");
      failing = false; // The next key is tried again.
      return false;
    } else {
      say("lost");
    }
    plan(AGAIN);
    return false;
  };

  const plan = (pause, then = () => keep()) => {
    clearTimeout(waiting);
    waiting = setTimeout(then, pause);
  };
  const soon = () => {
    if (failing || flying >= MOST || (flying && sent === typed)) return;
    const rest = space - (Date.now() - began);
    if (rest > 0) plan(rest, soon);
    else keep(true);
  };

  form.addEventListener("input", (event) => {
    if (event.target.matches("[type=password], [type=file]")) return;
    first ||= Date.now();
    typed += 1;
    form.dataset.kept = "no";
    soon();
  });
  form.addEventListener("focusout", () => { if (kept !== typed) soon(); });

  every.push({
    said,
    keep,
    whole: () => kept === typed,
    anew: () => { page = another(); },
    // How long ago the first key was pressed: the moment that the save records beside its own.
    stamp: () => {
      const ago = form.elements.namedItem("typed_for");
      if (ago) ago.value = first ? String(Date.now() - first) : "";
    },
  });
};

const left = () => every.filter((one) => !one.whole());
const leave = () => { for (const one of left()) one.keep(true, true); };
document.addEventListener("keydown", () => { pressed = Date.now(); }, true);
document.addEventListener("visibilitychange", () => { if (document.hidden) leave(); });
// The one comes before the next page is asked for, the other when it has come.
window.addEventListener("beforeunload", () => { if (!passing) leave(); });
window.addEventListener("pagehide", () => { if (!passing) leave(); });
window.addEventListener("online", () => { for (const one of every) one.keep(); });
window.addEventListener("pageshow", (event) => {
  // A page that comes back from the browser's memory was saved, perhaps: what is typed in it now is another draft.
  if (event.persisted) for (const one of every) one.anew();
  passing = false;
});

// Before a save, or another button, leaves the page, everything that was typed is kept: whatever happens then, it is there.
document.addEventListener("submit", async (event) => {
  const leaves = event.target, by = event.submitter;
  if (passing || leaves.method === "dialog" || dialog?.contains(leaves)) return;
  for (const one of every) one.stamp();
  const unkept = left();
  if (!unkept.length) return;
  event.preventDefault();
  event.stopPropagation();
  await Promise.all(unkept.map((one) => one.keep()));
  const stays = unkept.find((one) => !one.whole() && one.said.dataset.state !== "refused");
  if (stays) {
    stays.said.focus();
    over(true);
    return;
  }
  passing = true;
  leaves.requestSubmit(by);
  // Where the save never comes to an end, the person presses again.
  setTimeout(() => { passing = false; }, PATIENCE);
}, true);

// A link too: the page that it leads to may be this one again, and offers what is kept when it is drawn.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  if (!link || !left().length || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || (link.hash && link.href.split("#")[0] === location.href.split("#")[0])) return;
  event.preventDefault();
  await Promise.all(left().map((one) => one.keep()));
  location.assign(link.href);
});

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
    begin(form, fixed.dataset.to + location.search, line.querySelector("[data-draft-said]"), CALM, addresses.get(url));
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
      sessions += 1;
      dialog.close();
      for (const one of every) one.keep();
    });
  }
}
