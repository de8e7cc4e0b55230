import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

import { installProgram } from "../dev/stores/install-program.ts";
import { commandOutput } from "../dev/processes/process-table.ts";

/** Starts the system's Chromium, headless. */
export function openBrowser(args: string[] = []): Promise<Browser> {
  return chromium.launch({
    args,
    executablePath: findChromium(),
    // Chromium's sandbox does not run as root.
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

/** Long enough for a machine on which a page takes a minute. */
const pageTimeoutMs = 120_000;

/** On a busy machine the service may refuse a request or end a stream for a moment; the pages repeat them. */
const transient = /^Failed to load resource: (net::ERR_|the server responded with a status of 503)/;

/**
 * Returns a function that opens an address; `complaints` are errors of the page, violations of its policy included. Without
 * options, the pages are opened one after the other in one tab, which costs half the CPU time of a new context.
 */
export function createPageOpener(browser: Browser) {
  let tab: Page | undefined;
  return async function open(url: string, options?: BrowserContextOptions) {
    const page =
      options === undefined
        ? (tab ??= await browser.newPage())
        : await (await browser.newContext(options)).newPage();
    page.setDefaultTimeout(pageTimeoutMs);
    const complaints: string[] = [];
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && !transient.test(text)) complaints.push(text);
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    const response = await page.goto(url, { timeout: pageTimeoutMs });
    return {
      page,
      complaints,
      response,
      async [Symbol.asyncDispose]() {
        if (page !== tab) return page.context().close();
        // Ends the requests of the page, and the errors that this causes.
        await page.goto("about:blank");
        page.removeAllListeners();
      },
    };
  };
}

function findChromium(): string {
  const own = process.env["CHROMIUM"];
  if (own !== undefined) return own;
  const onPath = () =>
    ["chromium", "chromium-browser", "google-chrome"]
      .map((name) => commandOutput("sh", ["-c", `command -v ${name}`]))
      .find((path) => path !== "");
  const found = onPath() ?? (installProgram("chromium") ? onPath() : undefined);
  if (found === undefined) throw new Error("these tests need chromium on the PATH");
  return found;
}
