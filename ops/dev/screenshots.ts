import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";

import { openBrowser } from "../test/_browser.ts";
import { root, startStack, type Stack } from "../test/_stack.ts";

/** Writes images of the console's main pages to docs/images, from a private stack with some load. */
async function takeScreenshots(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await using stack = await startStack();
  const browser = await openBrowser();
  try {
    const paths = await fill(stack);
    const url = `${stack.producers[0]?.url}/console`;
    for (const [name, path] of Object.entries(paths)) {
      // Below the timeline of a job is a stack with the paths of this machine.
      const height = name === "job" ? 490 : 800;
      await take(browser, url + path, join(folder, `console-${name}.png`), "light", height);
    }
    await take(browser, url, join(folder, "console-dark.png"), "dark");
  } finally {
    await browser.close();
  }
}

async function take(
  browser: Browser,
  url: string,
  path: string,
  colorScheme: "light" | "dark",
  height = 800,
): Promise<void> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height } });
  await page.goto(url);
  await page.locator("main h1").waitFor();
  await page.getByLabel("Loading").first().waitFor({ state: "detached" });
  await page.screenshot({ path });
  await page.close();
  console.log(path);
}

/** Creates jobs of all kinds for some minutes' worth of charts, and returns the pages to show. */
async function fill({ client, until }: Stack) {
  const backoff = { type: "fixed", delay: 100 } as const;
  const dying = await client.createJob({
    type: "echo",
    data: { message: "Send the invoice", failures: 9 },
    key: "invoice-1042",
    labels: ["billing"],
    backoff,
  });
  await client.putSchedule("nightly-report", {
    cron: "30 2 * * *",
    timeZone: "Europe/Berlin",
    job: { type: "echo", data: { message: "report" } },
  });
  await client.pauseQueue("feeds");
  const endAt = Date.now() + 45_000;
  for (let turn = 0; Date.now() < endAt; turn += 1) {
    const count = Math.round(12 + 8 * Math.sin(turn / 12));
    await client.createJobs(
      Array.from({ length: count }, (_, index) => ({
        type: "echo",
        data: { message: `Order ${turn}-${index}`, sleepMs: 20 + 15 * index },
        key: `order-${turn}-${index}`,
        labels: ["shop"],
      })),
    );
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  const csv = "sku,price\nA-1,2.40\nA-2,39.90\n";
  const imported = await client.createImport(csv, { type: "row.import" });
  await until("the import is done", async () => {
    const { status } = await client.getImport(imported.id);
    return status === "done" || undefined;
  });
  return {
    overview: "",
    jobs: "/jobs?type=echo",
    job: `/jobs/${dying.id}`,
    "dead-letters": "/dead-letters",
    queues: "/queues",
    import: `/imports/${imported.id}`,
  };
}

await takeScreenshots(process.argv[2] ?? join(root, "docs/images"));
