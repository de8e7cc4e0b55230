import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page } from "playwright-core";

import { UserError } from "./user-error.ts";
import { openBrowser } from "../test/_browser.ts";
import {
  openPageMetrics,
  openPolledOverview,
  refreshOverview,
  startReportingJob,
} from "../test/_page-metrics.ts";
import { startStack, type Stack } from "../test/_stack.ts";

/** An hour of the overview, which changes every two seconds, and of a job that reports every second. */
const hour = { refreshes: 1800, reports: 3600 };
const minutesRead = [3, 30, 60];
/** A busy machine may stop the browser for a while. */
const pageTimeoutMs = 300_000;
const slowdowns = [1, 4, 6];
const openings = 3;
const load = { jobsPerSecond: 2000, seconds: 10 };

type Row = [what: string, value: string];

const measures = {
  size: async ({ url }: Subject): Promise<Row[]> => [
    ["size, compressed", `${(await measureSize(url)).toLocaleString("en")} bytes`],
  ],
  view: async (subject: Subject): Promise<Row[]> => {
    const rows: Row[] = [];
    for (const rate of slowdowns) rows.push(await measureFirstView(subject, rate));
    return rows;
  },
  live: async (subject: Subject): Promise<Row[]> => {
    const rows: Row[] = [];
    for (const [name, path] of Object.entries({ overview: "", jobs: "/jobs" })) {
      rows.push([`${name}, without jobs`, await measureLive(subject, path, 0)]);
      rows.push([`${name}, live`, await measureLive(subject, path, load.jobsPerSecond)]);
    }
    return rows;
  },
  hour: measureHour,
};

interface Subject {
  stack: Stack;
  browser: Browser;
  url: string;
}

/** Measures the console on a private stack, and prints a table. */
async function measureConsole(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !Object.hasOwn(measures, name));
  if (unknown !== undefined) {
    throw new UserError(`unknown: ${unknown}. Measures: ${Object.keys(measures).join(", ")}`);
  }
  await using stack = await startStack();
  await using browser = await openBrowser();
  const subject = { stack, browser, url: `${stack.producers[0]?.url}/console` };
  console.log("| what | measured |\n|---|---|");
  for (const [name, measure] of Object.entries(measures)) {
    if (names.length > 0 && !names.includes(name)) continue;
    for (const row of await measure(subject)) console.log(`| ${row.join(" | ")} |`);
  }
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
async function measureFirstView({ browser, url }: Subject, rate: number): Promise<Row> {
  const first: number[] = [];
  const again: number[] = [];
  for (let index = 0; index < openings; index += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(noteView);
    await (await openPageMetrics(page)).slowDown(rate);
    first.push(await openOverview(page, url));
    again.push(await openOverview(page, url));
    await context.close();
  }
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(openings / 2)];
  const text = `${Math.round(median(first) ?? 0)} ms; from the cache ${Math.round(median(again) ?? 0)} ms`;
  return [`first useful view, processor slowed down ${rate} times`, text];
}

/** Notes when the charts are drawn. */
const noteView = `
  new MutationObserver((_, observing) => {
    if (document.querySelector(".charts canvas") === null) return;
    requestAnimationFrame(() => (window.viewAt = performance.now()));
    observing.disconnect();
  }).observe(document, { childList: true, subtree: true });`;

async function openOverview(page: Page, url: string): Promise<number> {
  await page.goto(url);
  await page.locator(".charts canvas").first().waitFor();
  return page.evaluate<number>("new Promise(requestAnimationFrame).then(() => window.viewAt)");
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

async function measureLive({ stack, browser, url }: Subject, path: string, jobsPerSecond: number) {
  const page = await browser.newPage();
  await page.goto(url + path);
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

/** Reads the memory after the events of 3, 30 and 60 minutes. */
async function measureHour({ stack, url }: Subject): Promise<Row[]> {
  // Compiled code grows for an hour while more functions become hot: without it, the heap is what a page keeps.
  await using browser = await openBrowser(["--js-flags=--jitless"]);
  const page = await browser.newPage();
  page.setDefaultTimeout(pageTimeoutMs);
  const metrics = await openPageMetrics(page);

  async function compare(what: string, times: number, show: (count: number) => Promise<void>) {
    const uses: string[] = [];
    let shown = 0;
    for (const minute of minutesRead) {
      const until = (times * minute) / 60;
      await show(until - shown);
      shown = until;
      const { heapBytes, nodes } = await metrics.readUse();
      uses.push(`${(heapBytes / 1e6).toFixed(2)} MB and ${nodes} nodes`);
      console.error(`${what}, ${minute} min: ${uses.at(-1)}`);
    }
    const row: Row = [
      `${what}, after the events of ${minutesRead.join(", ")} minutes`,
      uses.join("; "),
    ];
    return row;
  }

  const job = await startReportingJob(stack);
  await page.goto(`${url}/jobs/${job.id}`);
  const ofJob = await compare("job", hour.reports, (count) => job.report(page, count, 20));
  await openPolledOverview(page, url);
  const ofOverview = await compare("overview", hour.refreshes, (count) =>
    refreshOverview(page, count),
  );
  await page.close();
  return [ofJob, ofOverview];
}

await measureConsole(process.argv.slice(2));
