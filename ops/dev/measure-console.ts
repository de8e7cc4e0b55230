import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page } from "playwright-core";

import { openBrowser } from "../test/_browser.ts";
import { openPageMetrics, refreshOverview, startReportingJob } from "../test/_page-metrics.ts";
import { startStack, type Stack } from "../test/_stack.ts";

/** An hour of the overview, which asks every two seconds, and of a job that reports every second. */
const hour = { refreshes: 1800, reports: 3600 };
const slowdowns = [1, 4, 6];
const openings = 3;
const load = { jobsPerSecond: 2000, seconds: 20 };

/** Measures the console on a private stack, and prints a table. */
async function measureConsole(): Promise<void> {
  await using stack = await startStack();
  await using browser = await openBrowser();
  const url = `${stack.producers[0]?.url}/console`;
  const rows: [what: string, value: string][] = [
    ["size, compressed", `${(await measureSize(url)).toLocaleString("en")} bytes`],
  ];
  for (const rate of slowdowns) rows.push(...(await measureFirstView(browser, url, rate)));
  for (const [name, path] of [
    ["overview", ""],
    ["jobs", "/jobs"],
  ] as const) {
    const idle = await measureLive(stack, browser, url + path, 0);
    const live = await measureLive(stack, browser, url + path, load.jobsPerSecond);
    rows.push([`${name}, without jobs`, idle], [`${name}, live`, live]);
  }
  rows.push(...(await measureHour(stack, browser, url)));
  console.log("\n| what | measured |\n|---|---|");
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
}

/** Returns the size of the document and of what it refers to. */
async function measureSize(url: string): Promise<number> {
  const html = await (await fetch(url)).text();
  const assets = [...html.matchAll(/"(\/console\/assets\/[^"]+)"/g)].map(([, path]) => path ?? "");
  const sizes = await Promise.all(
    [url, ...assets].map(async (path) => {
      const headers = { "Accept-Encoding": "gzip" };
      const response = await fetch(new URL(path, url), { headers, decompress: false });
      return (await response.arrayBuffer()).byteLength;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Time from the navigation to the figures of the overview, without and with a filled cache. */
async function measureFirstView(browser: Browser, url: string, rate: number) {
  const first: number[] = [];
  const again: number[] = [];
  for (let index = 0; index < openings; index += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await (await openPageMetrics(page)).slowDown(rate);
    first.push(await openOverview(page, url));
    again.push(await openOverview(page, url));
    await context.close();
  }
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(openings / 2)];
  const text = `${Math.round(median(first) ?? 0)} ms; from the cache ${Math.round(median(again) ?? 0)} ms`;
  return [[`first useful view, processor ${rate}x slower`, text]] as [string, string][];
}

async function openOverview(page: Page, url: string): Promise<number> {
  await page.goto(url);
  const seen = await page.waitForFunction(
    `document.querySelector(".charts canvas") ? performance.now() : 0`,
  );
  return Number(await seen.jsonValue());
}

/** Counts long tasks and dropped frames of the page. */
const observer = `
  window.frames = { longTasks: 0, longMs: 0, dropped: 0, shown: 0 };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      window.frames.longTasks += 1;
      window.frames.longMs += duration;
    }
  }).observe({ type: "longtask" });
  let last = performance.now();
  requestAnimationFrame(function frame(now) {
    window.frames.shown += 1;
    window.frames.dropped += Math.max(0, Math.round((now - last) / (1000 / 60)) - 1);
    last = now;
    requestAnimationFrame(frame);
  });`;

interface Frames {
  longTasks: number;
  longMs: number;
  dropped: number;
  shown: number;
}

async function measureLive(stack: Stack, browser: Browser, url: string, jobsPerSecond: number) {
  const page = await browser.newPage();
  await page.goto(url);
  await page.getByLabel("Loading").first().waitFor({ state: "detached" });
  const metrics = await openPageMetrics(page);
  const before = await metrics.readUse();
  await page.evaluate(observer);
  const sent = await enqueueSteadily(stack, jobsPerSecond);
  const frames = await page.evaluate<Frames>("window.frames");
  const after = await metrics.readUse();
  await page.close();
  const kilobytes = Math.round((after.heapBytes - before.heapBytes) / 1000);
  return [
    jobsPerSecond > 0 ? `${sent} jobs per second` : undefined,
    `${frames.longTasks} long tasks (${Math.round(frames.longMs)} ms)`,
    `${frames.dropped} of ${frames.dropped + frames.shown} frames dropped`,
    `heap ${kilobytes >= 0 ? "+" : ""}${kilobytes} KB`,
  ]
    .filter((text) => text !== undefined)
    .join(", ");
}

/** Returns the rate that was reached. */
async function enqueueSteadily({ client }: Stack, jobsPerSecond: number): Promise<number> {
  const turnMs = 100;
  const perTurn = (jobsPerSecond * turnMs) / 1000;
  const startAt = Date.now();
  let sent = 0;
  for (let turn = 1; turn <= (load.seconds * 1000) / turnMs; turn += 1) {
    if (perTurn > 0) {
      const jobs = Array.from({ length: perTurn }, () => ({
        type: "echo",
        data: { message: "measured" },
      }));
      sent += (await client.createJobs(jobs)).counts.created;
    }
    await sleep(Math.max(0, startAt + turn * turnMs - Date.now()));
  }
  return Math.round((sent / (Date.now() - startAt)) * 1000);
}

/** Compares the memory after the first twentieth of an hour's events with that after the hour. */
async function measureHour(stack: Stack, browser: Browser, url: string) {
  const page = await browser.newPage();
  const metrics = await openPageMetrics(page);

  async function compare(what: string, times: number, show: (count: number) => Promise<void>) {
    await show(times / 20);
    const early = await metrics.readUse();
    await show(times - times / 20);
    const late = await metrics.readUse();
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
    const text = `heap ${megabytes(early.heapBytes)}, then ${megabytes(late.heapBytes)}; DOM nodes ${early.nodes}, then ${late.nodes}`;
    return [`${what}, after 3 and 60 minutes of events`, text] as [string, string];
  }

  const job = await startReportingJob(stack);
  await page.goto(`${url}/jobs/${job.id}`);
  const ofJob = await compare("job", hour.reports, (count) => job.report(page, count));
  await page.goto(url);
  await page.getByRole("img", { name: /Jobs per second/ }).waitFor();
  const ofOverview = await compare("overview", hour.refreshes, (count) =>
    refreshOverview(page, count),
  );
  await page.close();
  return [ofJob, ofOverview];
}

await measureConsole();
