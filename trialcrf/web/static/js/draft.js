// Each key is kept on the server at once, and the page says since when. Nothing of it is kept in the browser.
import { offer } from "./passkey.js";

const form = document.querySelector("form[data-draft]");

// Milliseconds: between two sendings (a scanner types forty letters in that time), after one that failed, that an answer may take, and
// without a key until the page speaks: whoever types looks at paper, and a dialog would swallow what they type.
const SPACE = 100, AGAIN = 4000, PATIENCE = 6000, REST = 2000;
const MOST = 3; // sendings on their way: a slow server is not asked more often by whoever types fast.
const KEPT = 204, ENDED = 401, ANOTHER = 400, SAVED = 409;

if (form) {
  const said = document.querySelector("[data-draft-said]");
  const dialog = document.querySelector("dialog[data-again]");
  let page = form.elements.save_token.value;
  let turn = 0, first = 0, waiting = 0, speaking = 0, began = 0, pressed = 0, typed = 0, sent = 0, kept = 0, flying = 0, sessions = 0, sending = null, failing = false, passing = false;

  const say = (what, at = "") => {
    const words = said.dataset[what].replace("{at}", at);
    const news = said.dataset.state !== what;
    said.dataset.state = what;
    clearTimeout(speaking);
    // What goes well is told when the typing rests: a screen reader would tell it at each key.
    if (news) said.textContent = words;
    else speaking = setTimeout(() => { said.textContent = words; }, REST);
  };
  const another = () => [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
  const clock = () => new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const held = () => {
    const body = new URLSearchParams(new FormData(form));
    body.delete("save_token");
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
    const mine = fetch(form.dataset.draft, asked).then((one) => { answer = one; }, () => {});
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
    const rest = SPACE - (Date.now() - began);
    if (rest > 0) plan(rest, soon);
    else keep(true);
  };

  form.addEventListener("input", () => {
    first ||= Date.now();
    typed += 1;
    form.dataset.kept = "no";
    soon();
  });
  form.addEventListener("focusout", () => { if (kept !== typed) soon(); });
  document.addEventListener("keydown", () => { pressed = Date.now(); }, true);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(true, true); });
  // The one comes before the next page is asked for, the other when it has come.
  window.addEventListener("beforeunload", () => { if (!passing) keep(true, true); });
  window.addEventListener("pagehide", () => { if (!passing) keep(true, true); });
  window.addEventListener("online", () => keep());
  // A page that comes back from the browser's memory was saved, perhaps: what is typed in it now is another draft.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) page = another();
    passing = false;
  });

  // Before a save, or another button, leaves the page, everything that was typed is kept: whatever happens then, it is there.
  document.addEventListener("submit", async (event) => {
    const leaves = event.target, by = event.submitter;
    if (passing || leaves.method === "dialog" || dialog?.contains(leaves)) return;
    form.elements.typed_for.value = first ? String(Date.now() - first) : "";
    if (kept === typed) return;
    event.preventDefault();
    event.stopPropagation();
    if (await keep() || said.dataset.state === "refused") {
      passing = true;
      leaves.requestSubmit(by);
      // Where the save never comes to an end, the person presses again.
      setTimeout(() => { passing = false; }, PATIENCE);
    } else {
      said.focus();
      if (said.dataset.state === "ended") over(true);
    }
  }, true);

  // A link too: the page that it leads to may be this one again, and offers what is kept when it is drawn.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[href]");
    if (!link || kept === typed || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || (link.hash && link.href.split("#")[0] === location.href.split("#")[0])) return;
    event.preventDefault();
    await keep();
    location.assign(link.href);
  });

  // Asks to sign in as soon as the hands rest, or at once where a save waits for it.
  const over = (now = false) => {
    if (!dialog || dialog.open || said.dataset.state !== "ended") return;
    const rest = REST - (Date.now() - pressed);
    if (now || rest <= 0) dialog.showModal();
    else setTimeout(over, rest);
  };

  if (dialog) {
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
        } catch { more = { problem: said.dataset.lost, step: one === second ? second.elements.step.value : "" }; }
        if (answer?.status !== 200) {
          ask(more);
          return;
        }
        for (const box of document.querySelectorAll('input[name="token"]')) box.value = more.token;
        for (const box of dialog.querySelectorAll('input:not([type="hidden"], [readonly])')) box.value = "";
        ask({});
        sessions += 1;
        dialog.close();
        keep();
      });
    }
  }
}
