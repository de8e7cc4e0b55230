import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";

import { openBrowser } from "./_browser.ts";
import { startStack } from "./_stack.ts";

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
/** On a busy machine the service may refuse a request or end a stream for a moment; the console repeats them. */
const transient = /^Failed to load resource: (net::ERR_|the server responded with a status of 503)/;

/** Starts a stack and a browser for its console. */
export async function startConsole() {
  await using opening = new AsyncDisposableStack();
  // Endpoints and feeds of the tests are on this machine.
  const [stack, browser] = await Promise.all([
    startStack({ env: { ALLOW_PRIVATE_ADDRESSES: "true" } }).then((one) => opening.use(one)),
    openBrowser().then((one) => opening.use(one)),
  ]);
  const url = `${stack.producers[0]!.url}/console`;

  /** Opens a page of the console; `complaints` are errors, violations of the policy included. */
  async function open(path: string, options: BrowserContextOptions = {}, base = url) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && !transient.test(text)) complaints.push(text);
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(base + path);
    return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
  }

  const opened = opening.move();
  return { stack, url, open, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Returns what axe reports as serious or critical. */
export async function findViolations(page: Page, options: object = {}) {
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axe);
  const settings = { resultTypes: ["violations"], preload: false, ...options };
  const violations = await page.evaluate<{ id: string; impact: string; nodes: string[] }[]>(
    `axe.run(document, ${JSON.stringify(settings)}).then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html) })))`,
  );
  return violations.filter(({ impact }) => /serious|critical/.test(impact));
}
