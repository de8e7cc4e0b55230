import { parentPort } from "node:worker_threads";
import type { importStats as jobType } from "@toril/contract/api/job-types/import-stats";
import { NonRetryableError, RetryAfterError } from "../src/worker/handler.ts";
import type { SandboxContext, SandboxedHandler } from "../src/sandbox/sandboxed-handler.ts";
import { serveThread } from "../src/sandbox/serve-thread.ts";

const result = { rows: 0, columns: [] };

const behaviors: Record<string, (context: SandboxContext) => unknown> = {
  objects() {
    for (const kept: unknown[] = []; ;) kept.push({ number: Math.random() });
  },
  json() {
    const text = JSON.stringify(Array.from({ length: 100_000 }, (_, index) => ({ index })));
    for (const kept: unknown[] = []; ;) kept.push(JSON.parse(text));
  },
  exit: () => process.exit(3),
  loop({ progress }) {
    progress({ pid: process.pid });
    for (;;);
  },
  /** Never ends either, but leaves the processor to the other tests. */
  block({ progress }) {
    progress({ pid: process.pid });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  throw() {
    throw new TypeError("thrown");
  },
  later: () =>
    new Promise(() => {
      setTimeout(() => {
        throw new TypeError("thrown later");
      });
    }),
  "non-retryable"() {
    throw new NonRetryableError("cannot succeed");
  },
  again({ attempt, log }) {
    log.info({ attempt }, "from the thread");
    if (++runs === 1) throw new RetryAfterError(new Date(Date.now() + 100), "again");
  },
  "stops-when-aborted": ({ signal, progress }) =>
    new Promise((_, reject) => {
      progress({ pid: process.pid });
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    }),
  unclonable: () => ({ ...result, rows: () => {} }),
  environment: () => ({ ...result, rows: Object.keys(process.env).length }),
};
let runs = 0;

const importStats: SandboxedHandler<typeof jobType> = async (
  { columns: [name = ""] = [] },
  context,
) => ((await behaviors[name]?.(context)) ?? result) as typeof result;

if (parentPort !== null) {
  serveThread(parentPort, {
    "import.stats": importStats,
  });
}
