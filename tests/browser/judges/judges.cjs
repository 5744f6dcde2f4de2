// Judges pages for the tests in a browser: html-validate reads what the server sent, pa11y (HTML_CodeSniffer) the page as the browser shows it.
// A line of JSON is asked, {"html": …} or {"target": …}, and a line is answered: {"found": [...]}, or {"broken": …} where nothing was looked at.
"use strict";
const { createInterface } = require("node:readline");
const { HtmlValidate, StaticConfigLoader } = require("html-validate");
const pa11y = require("pa11y");
const puppeteer = require("puppeteer");

const [endpoint] = process.argv.slice(2);
// A button of a form sends it unless it says otherwise: that is meant where no type stands. A box that scrolls is a region, and no section of the text.
const rules = { "no-implicit-button-type": "off", "prefer-native-element": ["error", { exclude: ["region"] }] };
// The standard keeps sections and headings out of a cell that is a heading, and no disclosure.
const elements = ["html5", { details: { sectioning: false } }];
const validator = new HtmlValidate(new StaticConfigLoader({ root: true, extends: ["html-validate:standard", "html-validate:a11y"], elements, rules }));
// Of the ways that tell which heading a cell has, these pages take `scope` (technique H63), which their structure is held to; this asks for H43.
const ignore = ["WCAG2AA.Principle1.Guideline1_3.1_3_1.H43.HeadersRequired"];

let browser = null;

const source = async (html) => {
  const report = await validator.validateString(html);
  return report.results.flatMap((one) => one.messages).map((one) => `${one.line}:${one.column} ${one.ruleId}: ${one.message} ${one.selector ?? ""}`);
};

// The page that a test looks at itself: nothing is loaded anew, so that it is judged in the state that the test brought it to.
const shown = async (target) => {
  browser ??= await puppeteer.connect({ browserURL: endpoint, defaultViewport: null });
  const found = await browser.waitForTarget((one) => one._targetId === target, { timeout: 5000 });
  const page = await found.page();
  const told = await pa11y(page.url(), { browser, page, ignoreUrl: true, standard: "WCAG2AA", ignore, runners: ["htmlcs"], viewport: null, timeout: 60000 });
  return told.issues.map((one) => `${one.code}: ${one.message} ${one.selector} ${one.context}`);
};

const answer = async (line) => {
  try {
    const asked = JSON.parse(line);
    return { found: await ("html" in asked ? source(asked.html) : shown(asked.target)) };
  } catch (error) {
    return { broken: String(error?.stack ?? error) };
  }
};

const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => process.stdout.write(`${JSON.stringify(await answer(line))}\n`));
lines.on("close", async () => {
  await browser?.disconnect();
  process.exit(0);
});
