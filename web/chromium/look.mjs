// Looks at pages in a headless Chromium without JavaScript, for the package beside it: reads on standard input what to look
// at, and writes a line of JSON for each thing it has done.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ask = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(join(ask.modules, "x.js"));
const { chromium } = require("playwright-core");
const { HtmlValidate } = require("html-validate");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

// What the validator says of layout is taste; the rest is the standard.
const validator = new HtmlValidate({
  extends: ["html-validate:standard", "html-validate:a11y"],
  rules: Object.fromEntries(["long-title", "no-trailing-whitespace", "doctype-style", "attr-quotes", "void-style", "no-inline-style",
    ...(ask.off ?? [])].map((rule) => [rule, "off"])),
});

const browser = await chromium.launch({
  executablePath: ask.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// open is a window as a reader has it, and the list of what goes wrong in it.
async function open(width, scheme, page, scripts) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: scheme, javaScriptEnabled: scripts, reducedMotion: "reduce" });
  if (page.cookie) await context.addCookies([{ ...page.cookie, url: page.url }]);
  context.setDefaultTimeout(60000);
  const tab = await context.newPage();
  const wrong = [];
  const home = new URL(page.url);
  tab.on("console", (m) => ["error", "warning"].includes(m.type()) && wrong.push("console: " + m.text()));
  tab.on("pageerror", (e) => wrong.push("error: " + e));
  tab.on("request", (r) => {
    const to = new URL(r.url());
    if (to.origin !== home.origin && to.protocol !== "data:") wrong.push("asks elsewhere: " + to.href);
  });
  tab.on("requestfailed", (r) => r.failure()?.errorText !== "net::ERR_ABORTED" && wrong.push("not loaded: " + r.url()));
  return { context, tab, wrong };
}

// wide are the elements that stick out of the window to the right.
const wide = () => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  return [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > room + 1 && !e.closest("[data-scrolls], pre, .scrolls"))
    .slice(-3).map((e) => "wider than the window: " + e.outerHTML.slice(0, 150));
};

// looks are the windows; axe runs in two of them, so that it sees each width and each scheme.
const looks = [[360, "light", true], [360, "dark", false], [1200, "light", false], [1200, "dark", true]];

async function look(page) {
  const { context, tab, wrong } = await open(360, "light", page, true); // axe is a script
  const got = await tab.goto(page.url, { waitUntil: "load" });
  if (page.status) wrong.length = 0; // an error's page is an error to the console
  if (got.status() !== (page.status ?? 200)) wrong.push("status " + got.status());
  const report = page.foreign ? { results: [] } : await validator.validateString(await got.text(), page.name);
  for (const m of report.results.flatMap((r) => r.messages)) wrong.push(`HTML, line ${m.line}: ${m.message} (${m.ruleId})`);
  if (!page.foreign) await tab.evaluate(axe);
  const rules = Object.fromEntries((ask.axeOff ?? []).map((rule) => [rule, { enabled: false }]));
  for (const [width, scheme, check] of looks) {
    const here = (what) => wrong.push(`${width} pixels, ${scheme}: ${what}`);
    await tab.setViewportSize({ width, height: 800 });
    await tab.emulateMedia({ colorScheme: scheme });
    if (!page.foreign) (await tab.evaluate(wide)).forEach(here);
    if (ask.shots) await tab.screenshot({ path: join(ask.shots, `${page.name}-${width}-${scheme}.png`), fullPage: true });
    if (!check || page.foreign) continue;
    const found = await tab.evaluate((rules) => window.axe.run({ rules, resultTypes: ["violations"] }), rules);
    for (const v of found.violations) for (const n of v.nodes) here(`axe, ${v.id}: ${v.help}: ${n.html.slice(0, 150)}; ${n.failureSummary.split("\n").pop().trim()}`);
  }
  await context.close();
  return { name: page.name, wrong };
}

// Two at a time: while one is loaded the other is looked at.
const pages = (ask.pages ?? []).values();
await Promise.all([1, 2].map(async () => { for (const page of pages) say(await look(page)); }));

// Each step is a verb and what it is done with.
const verbs = {
  open: (tab, what, base) => tab.goto(new URL(what, base).href),
  follow: (tab, what) => tab.getByRole("link", { name: what }).first().click(),
  press: (tab, what) => tab.keyboard.press(what),
  push: (tab, what) => tab.getByRole("button", { name: what }).first().click(),
  fill: (tab, what) => tab.getByLabel(what.split(" = ")[0]).first().fill(what.split(" = ")[1]),
  choose: (tab, what) => tab.getByLabel(what).first().check(),
  unfold: (tab, what) => tab.locator("summary", { hasText: what }).first().click(),
  back: (tab) => tab.goBack(),
  see: (tab, what) => tab.getByText(what).locator("visible=true").first().waitFor(),
  miss: async (tab, what) => {
    if (await tab.getByText(what).locator("visible=true").count()) throw new Error("it is there");
  },
  at: async (tab, what) => {
    const here = new URL(tab.url());
    if (here.pathname + here.search + here.hash !== what) throw new Error("is at " + here.pathname + here.search + here.hash);
  },
  focus: async (tab, what) => {
    const now = await tab.evaluate(() => document.activeElement.innerText || document.activeElement.name || document.activeElement.tagName);
    if (!now.includes(what)) throw new Error("the focus is on " + now);
  },
};

for (const walk of ask.walks ?? []) {
  const { context, tab, wrong } = await open(360, "light", { url: walk.base, cookie: walk.cookie }, false);
  tab.setDefaultTimeout(30000);
  for (const [i, line] of walk.steps.entries()) {
    const [verb, ...rest] = line.split(" ");
    try {
      await verbs[verb](tab, rest.join(" "), walk.base);
    } catch (e) {
      wrong.push(`step ${i + 1}, ${line}: ${String(e.message ?? e).split("\n")[0]}; at ${tab.url()}, which says: ${(await tab.locator("body").innerText()).slice(0, 400)}`);
      break;
    }
  }
  say({ name: walk.name, wrong });
  await context.close();
}
await browser.close();
