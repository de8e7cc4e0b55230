import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import type { Stack } from "./_stack.ts";

/** Reads figures of a page from the browser. */
export async function openPageMetrics(page: Page) {
  const session = await page.context().newCDPSession(page);
  return {
    /** Makes the processor seem slower by a factor. */
    slowDown: (rate: number) => session.send("Emulation.setCPUThrottlingRate", { rate }),

    /** Memory and DOM nodes in use, after a garbage collection. */
    async readUse() {
      await session.send("HeapProfiler.collectGarbage");
      const { usedSize } = await session.send("Runtime.getHeapUsage");
      const { nodes, jsEventListeners } = await session.send("Memory.getDOMCounters");
      return { heapBytes: usedSize, nodes, listeners: jsEventListeners };
    },
  };
}

/** Until the last answer is drawn, the page ignores the event, and asks only after its interval. */
const refreshWhenDrawn = `
  new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve))))
    .then(() => document.dispatchEvent(new Event("visibilitychange")))`;

/** Opens the overview without its stream: the page polls, as behind a proxy that holds events back. */
export async function openPolledOverview(page: Page, url: string): Promise<void> {
  await page.route("**/v1/overview/events", (route) => route.fulfill({ status: 204 }));
  await page.goto(url);
  await page.getByRole("slider", { name: "Jobs per second" }).waitFor();
}

/** Shows the polled overview again, as after its interval, so that an hour passes quickly. */
export async function refreshOverview(page: Page, times: number): Promise<void> {
  for (let index = 0; index < times; index += 1) {
    const response = page.waitForResponse((one) => one.url().endsWith("/v1/overview"));
    await page.evaluate(refreshWhenDrawn);
    await (await response).finished();
  }
}

/** A job of a worker over HTTP, which reports progress. */
export interface ReportingJob {
  id: string;
  /** Reports progress several times, and waits now and then until the page shows the last one. */
  report(page: Page, times: number, shownEvery?: number): Promise<void>;
}

const type = "console.report";
const leaseMs = 60_000;

/** Enqueues and takes a job with large data, so that pages that keep what they showed before are noticed. */
export async function startReportingJob({ client, producers }: Stack): Promise<ReportingJob> {
  const url = producers[0]?.url;
  await client.putJobType(type, { data: { type: "object" }, worker: "pull" });
  const { id } = await client.createJob({ type, data: { text: "x".repeat(60_000) } });

  async function post(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${url}/v1/worker/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    // A busy producer refuses requests for a moment.
    if (response.status === 503) return sleep(1000).then(() => post(path, body));
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  const wanted = { types: [type], max: 1, leaseMs, waitMs: 20_000, worker: "reporter" };
  const taken = (await post("take", wanted)) as { jobs: { lease: string }[] };
  const lease = taken.jobs[0]?.lease;
  let count = 0;
  return {
    id,
    async report(page, times, shownEvery = 1) {
      for (let index = 0; index < times; index += 1) {
        const progress = { step: (count += 1) };
        const log = `step ${count}`;
        await post("extend", { leases: [{ id, lease, progress, log }], leaseMs });
        if (count % shownEvery !== 0 && index < times - 1) continue;
        const shown = page.getByRole("region", { name: "Progress" }).last();
        await shown.getByText(new RegExp(`"step": ${count}\\b`)).waitFor();
      }
    },
  };
}
