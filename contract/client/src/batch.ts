import type { BulkResult } from "./api-types.ts";
import { TorilError } from "./errors.ts";

export interface BatchOptions {
  /** Maximum number of jobs per bulk request; 500 by default. */
  maxJobs?: number;
  /** Maximum delay of a job that waits for others, in ms; 2 by default. */
  delayMs?: number;
  /** Maximum number of bulk requests at the same time; 2 by default. Further jobs wait, and make larger requests. */
  concurrency?: number;
}

/** Maximum length of a bulk request in UTF-16 units; the service accepts 32 MB. */
const maxLength = 4_000_000;

export interface Enqueued {
  id: string;
  outcome: "created" | "duplicate";
}

interface Entry {
  json: string;
  resolve(enqueued: Enqueued): void;
  reject(error: unknown): void;
}

/**
 * Collects enqueue requests and sends them as bulk requests. Each job is accepted or rejected on its own.
 * @param send sends a JSON array of enqueue requests
 */
export function createBatch(send: (body: string) => Promise<BulkResult>, options: BatchOptions) {
  const { maxJobs = 500, delayMs = 2, concurrency = 2 } = options;
  const waiting: Entry[] = [];
  let inFlight = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    while (waiting.length > 0 && inFlight < concurrency) {
      inFlight += 1;
      void sendEntries(takeEntries(waiting, maxJobs)).finally(() => {
        inFlight -= 1;
        flush();
      });
    }
  }

  async function sendEntries(entries: readonly Entry[]): Promise<void> {
    try {
      const { results } = await send(`[${entries.map(({ json }) => json).join(",")}]`);
      for (const result of results) {
        const entry = entries[result.index];
        if (result.outcome === "rejected") entry?.reject(new TorilError(result.problem));
        else entry?.resolve({ id: result.id, outcome: result.outcome });
      }
      // Without effect for entries with a result.
      for (const { reject } of entries) reject(new Error("the response has no result for the job"));
    } catch (error) {
      if (entries.length > 1 && isForSingleEntry(error)) {
        const middle = entries.length >> 1;
        await Promise.all([
          sendEntries(entries.slice(0, middle)),
          sendEntries(entries.slice(middle)),
        ]);
      } else for (const { reject } of entries) reject(error);
    }
  }

  return (request: unknown): Promise<Enqueued> =>
    new Promise((resolve, reject) => {
      waiting.push({ json: JSON.stringify(request), resolve, reject });
      if (waiting.length >= maxJobs) flush();
      else timer ??= setTimeout(flush, delayMs);
    });
}

function takeEntries(waiting: Entry[], maxJobs: number): Entry[] {
  let length = 0;
  const end = waiting.findIndex(({ json }, index) => {
    length += json.length + 1;
    return index > 0 && (index >= maxJobs || length > maxLength);
  });
  return waiting.splice(0, end === -1 ? waiting.length : end);
}

/** The service refuses a whole bulk request, and stores nothing, if one job is forbidden or the request is too large. */
function isForSingleEntry(error: unknown): boolean {
  return error instanceof TorilError && [403, 413].includes(error.problem.status);
}
