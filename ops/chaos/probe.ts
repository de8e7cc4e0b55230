import { setTimeout as sleep } from "node:timers/promises";

import type { History } from "./history.ts";
import type { Send } from "./send.ts";
import { unkeyedRowsImportId } from "./load.ts";

/** Measures what clients observe of a fault. */
export interface Probe {
  /** The longest time without an accepted POST from `since` on, by `performance.now()`. */
  longestGap(since: number): number;
  /** Resolves when a job enqueued from now on has been accepted, dispatched and settled on every queue with load. */
  waitForRecovery(signal: AbortSignal): Promise<void>;
}

const everyMs = 100;
const timeoutMs = 5000;
/** Larger than all row numbers of the load. */
const firstProbeRow = 1_000_000_000;

/** Enqueues a small job every 100 ms until `signal` is aborted, without waiting for the one before. */
export function startProbe(send: Send, account: History, signal: AbortSignal): Probe {
  const accepted: number[] = [performance.now()];
  let row = firstProbeRow;

  async function ask() {
    const json = { type: "echo", data: { message: "probe" } };
    const answer = await send("/v1/jobs", { json, timeoutMs });
    note(answer);
    if (answer !== undefined && answer.status < 300) accepted.push(performance.now());
  }

  function note(answer: Awaited<ReturnType<Send>>) {
    const { id } = (answer?.body ?? {}) as { id?: string };
    if (answer === undefined || answer.status >= 300 || id === undefined) return;
    account.ids.push(id);
    account.count("probes");
  }

  async function probe() {
    while (!signal.aborted) {
      void ask();
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Enqueues before all waiting jobs, so that the result does not depend on the queue length. */
  async function completes(job: object, ending: AbortSignal) {
    while (!ending.aborted) {
      const json = { ...job, order: "lifo" };
      const headers = { Prefer: "wait=2" };
      const answer = await send("/v1/jobs", { json, headers, timeoutMs });
      note(answer);
      const { status } = (answer?.body ?? {}) as { status?: string };
      if (status === "completed") return;
      await sleep(50, undefined, { signal: ending }).catch(() => {});
    }
    throw new Error("no recovery in time");
  }

  void probe();
  return {
    longestGap(since) {
      const firstLater = accepted.findIndex((at) => at >= since);
      const later = accepted.slice(firstLater === -1 ? accepted.length - 1 : firstLater);
      const times = [since, ...later, ...(firstLater === -1 ? [performance.now()] : [])];
      return times.slice(1).reduce((most, at, index) => {
        return Math.max(most, at - (times[index] ?? at));
      }, 0);
    },
    async waitForRecovery(ending) {
      row += 1;
      const data = { importId: unkeyedRowsImportId, row, values: {} };
      await Promise.all([
        completes({ type: "echo", data: { message: "recovered" } }, ending),
        completes({ type: "row.import", data }, ending),
      ]);
    },
  };
}
