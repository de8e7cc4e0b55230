import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";

import { createPageOpener, openBrowser } from "./_browser.ts";
import { startStack } from "./_stack.ts";

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** A host without TLS that is not this machine's loopback address, to which browsers give fewer rights. */
const plainHost = "toril.test";

/** Starts a stack and a browser for its console. */
export async function startConsole() {
  await using opening = new AsyncDisposableStack();
  // Endpoints and feeds of the tests are on this machine.
  const [stack, browser] = await Promise.all([
    startStack({ env: { ALLOW_PRIVATE_ADDRESSES: "true" } }).then((one) => opening.use(one)),
    openBrowser([`--host-resolver-rules=MAP ${plainHost} 127.0.0.1`]).then((one) =>
      opening.use(one),
    ),
  ]);
  const url = `${stack.producers[0]!.url}/console`;
  const plainUrl = url.replace("127.0.0.1", plainHost);

  const openPage = createPageOpener(browser);

  /** Opens a page of the console, in a context of its own if there are options. */
  const open = (path: string, options?: BrowserContextOptions, base = url) =>
    openPage(base + path, options);

  const opened = opening.move();
  return { stack, url, plainUrl, open, [Symbol.asyncDispose]: () => opened.disposeAsync() };
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
