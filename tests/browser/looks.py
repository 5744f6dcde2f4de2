"""What is looked for in a page by scripts of our own: its structure, and how it stands zoom, spacing, the keyboard and forced colours."""

from __future__ import annotations

STRUCTURE = """() => {
  const wrong = [];
  const say = (what, one) => wrong.push(what + ": " + (one ? one.outerHTML.slice(0, 160) : ""));
  const all = (selector, within) => [...(within || document).querySelectorAll(selector)];
  const known = (ids) => ids.split(/\\s+/).filter(Boolean).every((id) => document.getElementById(id));
  const focusable = "a[href], button, input:not([type=hidden]), select, textarea, [tabindex]";

  if (all("h1").length !== 1 || !document.querySelector("main h1")) say("not one h1 in main");
  if (!document.querySelector("h1").textContent.trim() || !document.title.trim()) say("no heading or title");
  if (!document.documentElement.lang) say("no language");
  if (!document.querySelector(".skip[href='#main']") || !document.querySelector("#main")) say("no way to skip to the content");

  const ids = all("[id]").map((one) => one.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => say("an id used twice: " + id));
  for (const name of ["aria-describedby", "aria-labelledby", "aria-controls"])
    all(`[${name}]`).filter((one) => !known(one.getAttribute(name))).forEach((one) => say(name + " leads nowhere", one));
  all("label[for]").filter((one) => !known(one.htmlFor)).forEach((one) => say("a label of nothing", one));

  const controls = all("input:not([type=hidden]), select, textarea").filter((one) => !one.closest("[hidden]") && !one.hidden);
  for (const one of controls) {
    const named = [...(one.labels || [])].some((label) => label.textContent.trim()) || one.getAttribute("aria-label");
    if (!named) say("a control without a label", one);
    if (one.placeholder && !named) say("a placeholder in place of a label", one);
  }
  const sets = {};
  all("input[type=radio], input[type=checkbox]").forEach((one) => (sets[one.name] ||= []).push(one));
  for (const set of Object.values(sets).filter((set) => set.length > 1)) {
    const around = set[0].closest("fieldset");
    const question = around?.querySelector("legend")?.textContent.trim();
    if (!question || !set.every((one) => around.contains(one))) say("a set without fieldset and legend", set[0]);
  }
  all(".days").filter((days) => !days.closest("fieldset")?.querySelector("legend")?.textContent.trim())
    .forEach((days) => say("a date without its question", days));

  for (const link of all("#summary a, .notice.bad a[href^='#']")) {
    const target = document.getElementById(link.hash.slice(1));
    if (!target?.matches(focusable)) say("a link of the summary that lands on nothing", link);
  }
  for (const item of all(".item.err, .one.err")) {
    const described = all("[aria-describedby]", item).concat(item.matches("[aria-describedby]") ? [item] : [])
      .flatMap((one) => one.getAttribute("aria-describedby").split(/\\s+/));
    all(".msg.hard, p.msg[id^=error], .hint[id]", item).filter((said) => !described.includes(said.id))
      .forEach((said) => say("said to the eye alone", said));
    if (!all("[aria-invalid=true]", item).length) say("an error that is not marked as one", item);
  }
  for (const item of all(".item.ask")) {
    const described = all("[aria-describedby]", item).flatMap((one) => one.getAttribute("aria-describedby").split(/\\s+/));
    all(".msg.soft", item).filter((said) => !described.includes(said.id)).forEach((said) => say("a doubt said to the eye alone", said));
  }
  for (const unit of all(".item .unit")) {
    const question = unit.closest(".item").querySelector(".lab").textContent;
    if (!question.includes(unit.textContent.trim())) say("a unit that is not in the label", unit);
  }
  for (const table of all("table")) {
    if (!table.caption?.textContent.trim()) say("a table without a caption", table);
    all("th", table).filter((one) => !one.scope).forEach((one) => say("a header without scope", one));
    if (!all("thead th[scope=col]", table).length) say("a table without column headers", table);
    if (table.matches(".matrix"))
      all("tbody tr", table).filter((row) => !row.querySelector("th[scope=row]")).forEach((row) => say("a row without a header", row));
  }
  all("[style], style, script:not([src]), [onclick], [onchange], [onsubmit]").forEach((one) => say("inline style or script", one));
  all("[src], link[href], use[href]").map((one) => one.getAttribute("src") || one.getAttribute("href"))
    .filter((address) => !address.startsWith("/") && !address.startsWith("#")).forEach((address) => say("loaded from outside: " + address));
  return wrong;
}"""

_TELL = """const wrong = [];
  const say = (what, one) => wrong.push(what + ": " + (one ? one.outerHTML.slice(0, 160) : ""));
  const every = [...document.body.querySelectorAll("*")];
  const shown = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("svg svg, .visually-hidden");"""

REFLOWED = (
    "() => { "
    + _TELL
    + """
  // What scrolls sideways of its own is a table or a figure: both lose their meaning in one column (WCAG 1.4.10).
  if (document.documentElement.scrollWidth > innerWidth) {
    say("the page scrolls sideways");
    const cuts = (one) => /auto|scroll|hidden|clip/.test(getComputedStyle(one).overflowX);
    const scrolls = (one) => one !== document.body && (cuts(one) || scrolls(one.parentElement));
    every.filter((one) => shown(one) && one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one.parentElement)).slice(0, 4)
      .forEach((one) => say("as it is too wide", one));
  }
  const held = new Map();
  for (const one of every) {
    const style = getComputedStyle(one);
    const sideways = /auto|scroll/.test(style.overflowX) && one.scrollWidth > one.clientWidth + 1;
    if (sideways && !one.matches("input, textarea, select, :has(table, svg)")) say("text that scrolls sideways", one);
    if (!/sticky|fixed/.test(style.position) || !shown(one)) continue;
    let around = one.parentElement;
    while (around && around !== document.body && !/auto|scroll/.test(getComputedStyle(around).overflowY)) around = around.parentElement;
    const inside = around && around !== document.body;
    const [high, wide] = inside ? [around.clientHeight, around.clientWidth] : [innerHeight, innerWidth];
    const before = held.get(around) ?? 0;
    const upright = style.top !== "auto" || style.bottom !== "auto";
    // The cells of one row stick side by side: they count once.
    const counted = upright && !(one.matches("th, td") && one.previousElementSibling) ? before + one.offsetHeight : before;
    held.set(around, counted);
    if (counted > before && counted > high / 2) say(`what stays in sight takes ${counted} of ${high} pixels`, one);
    if (style.left !== "auto" && style.position === "sticky" && one.offsetWidth > wide / 2)
      say(`what stays in sight takes ${one.offsetWidth} of ${wide} pixels across`, one);
  }
  return wrong; }"""
)
"""At 320 × 256 pixels, which is a screen of 1280 × 1024 at 400 per cent."""

SPACED = (
    "() => { "
    + _TELL
    + """
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
    p { margin-bottom: 2em !important; }`);
  document.adoptedStyleSheets.push(sheet);
  for (const one of every) {
    if (one.matches("select, input, textarea, svg, svg *") || !one.textContent.trim()) continue;
    const style = getComputedStyle(one);
    if (!/hidden|clip/.test(style.overflowX + style.overflowY) || style.clipPath !== "none" || !shown(one)) continue;
    if (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1) say("cut off", one);
  }
  if (document.documentElement.scrollWidth > innerWidth) say("the page scrolls sideways");
  document.adoptedStyleSheets.pop();
  return wrong; }"""
)
"""Under the text spacing of WCAG 1.4.12."""

OBSCURED = (
    "() => { "
    + _TELL
    + """
  // Leaving a field asks the server, which is not looked at here.
  addEventListener("focusout", (event) => event.stopImmediatePropagation(), true);
  const reached = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
    .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true }));
  for (const one of reached) {
    one.focus();
    if (document.activeElement !== one) continue;
    document.getAnimations().forEach((motion) => motion.finish());
    const box = one.getClientRects()[0];
    const spots = [[.5, .5], [.1, .2], [.9, .2], [.1, .8], [.9, .8]];
    const seen = spots.some(([x, y]) => {
      const at = document.elementFromPoint(box.left + box.width * x, box.top + box.height * y);
      return at && (one.contains(at) || at.contains(one) || one.closest("label")?.contains(at));
    });
    if (!seen) say(`in focus and out of sight (${Math.round(box.top)})`, one);
  }
  if (reached.length < 5) say("nothing to reach");
  scrollTo(0, 0);
  return wrong; }"""
)
"""Whatever takes the focus is not entirely hidden by what stays in sight (WCAG 2.4.11)."""

MOVING = """() => [...document.querySelectorAll("*")].flatMap((one) => [one, "::before", "::after"].map((part) => {
  const style = getComputedStyle(one, part === one ? null : part);
  const slowly = style.transitionDuration.split(", ").some((time) => parseFloat(time) > 0.01);
  const moves = slowly || style.animationName !== "none" || style.scrollBehavior === "smooth";
  return moves ? one.outerHTML.slice(0, 160) : "";
})).filter(Boolean)"""
"""What moves by itself or on the way from one state to another (WCAG 2.3.3)."""

READABLE = (
    "() => { "
    + _TELL
    + """
  const shade = (text) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = text.match(/[\\d.]+/g).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = document.createElement("p");
  paper.style.cssText = "background-color: Canvas; forced-color-adjust: none";
  document.body.append(paper);
  const ground = (svg) => getComputedStyle(getComputedStyle(svg).forcedColorAdjust === "none" ? svg : paper).backgroundColor;
  let texts = 0;
  for (const one of document.querySelectorAll("svg text")) {
    if (!one.textContent.trim() || !one.checkVisibility()) continue;
    texts += 1;
    const [a, b] = [shade(getComputedStyle(one).fill), shade(ground(one.closest("svg")))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) say(`hardly to be read (${getComputedStyle(one).fill})`, one);
  }
  paper.remove();
  if (!texts) say("no drawing with words");
  return wrong.slice(0, 5); }"""
)
"""The words of drawings on the ground that a palette of the person's own gives them."""
