import { isBullId, queueKeys } from "./names.ts";
import {
  encodeOptions,
  encodeTraceparent,
  haveSameEncoding,
  type DispatchOptions,
} from "./options.ts";
import { createScript, type ScriptRedis } from "./script.ts";

export type { DispatchOptions as PlaceOptions };

export interface DispatchEntry {
  bullId: string;
  /** The name of the BullMQ job. */
  type: string;
  /** JSON text. */
  data: string;
  options: DispatchOptions;
}

/** Resolves to how many were new. */
export type Dispatch = (queue: string, jobs: readonly DispatchEntry[]) => Promise<number>;

export const dispatchScriptUrl: URL = new URL("./dispatch.lua", import.meta.url);

// Redis does nothing else during a call.
export const maxEntriesPerCall = 256;
const maxDataLengthPerCall = 4_000_000;

/**
 * Adds jobs to BullMQ in their order, atomically per 256 jobs or 4 MB, whichever comes first. An id that stands
 * already is left alone, so what failed half-way can be placed again. Rejects as the client does, and with a
 * `TypeError` when an id is not one of `bullId`'s.
 *
 * @param settings.script the text of `placeScriptUrl`
 */
export function createDispatch(
  redis: ScriptRedis,
  settings: { prefix: string; script: string },
): Dispatch {
  const { prefix, script } = settings;
  const run = createScript(redis, script);

  return async (queue, jobs) => {
    const { base, ...named } = queueKeys(prefix, queue);
    const { wait, active, delayed, prioritized, marker, meta, id, pc, events } = named;
    const keys = [wait, active, delayed, prioritized, marker, meta, id, pc, events];
    let created = 0;
    for (const call of callsOf(jobs)) {
      const args = [base];
      appendRuns(args, call);
      created += Number(await run(keys, args));
    }
    return created;
  };
}

/** Whether jobs were refused because of settings in meta that no worker would understand either. */
function isMalformedSettings(error: unknown): boolean {
  return error instanceof Error && /ERR place: malformed .* (in|of) meta/.test(error.message);
}

/** Places again when the malformed settings that were in the way are replaced. @param restore makes Redis obey the ledger */
export function placeRestoring(
  place: Dispatch,
  restore: (queue: string) => Promise<void>,
): Dispatch {
  return async (queue, jobs) => {
    try {
      return await place(queue, jobs);
    } catch (error) {
      if (!isMalformedSettings(error)) throw error;
      // What Postgres has against it says nothing of Redis.
      await restore(queue).catch(() => {
        throw error;
      });
      return place(queue, jobs);
    }
  };
}

function callsOf(jobs: readonly DispatchEntry[]): (readonly DispatchEntry[])[] {
  const calls: (readonly DispatchEntry[])[] = [];
  let start = 0;
  let dataLength = 0;
  jobs.forEach(({ data }, index) => {
    dataLength += data.length;
    if (
      index - start === maxEntriesPerCall ||
      (index > start && dataLength > maxDataLengthPerCall)
    ) {
      calls.push(jobs.slice(start, index));
      start = index;
      dataLength = data.length;
    }
  });
  if (start === 0) return jobs.length === 0 ? [] : [jobs];
  calls.push(jobs.slice(start));
  return calls;
}

/** Appends what dispatch.lua describes as runs. */
function appendRuns(args: string[], jobs: readonly DispatchEntry[]): void {
  let last: DispatchEntry | undefined;
  let isTraced = false;
  let countAt = 0;
  let count = 0;
  for (const job of jobs) {
    if (!isBullId(job.bullId)) throw new TypeError(`not an id of a job: ${job.bullId}`);
    const { type, options } = job;
    const traceparent = encodeTraceparent(options);
    if (
      last?.type !== type ||
      last.options.timestamp !== options.timestamp ||
      isTraced !== (traceparent !== "") ||
      !haveSameEncoding(last.options, options)
    ) {
      isTraced = traceparent !== "";
      const width = isTraced ? "3" : "2";
      countAt = args.push(type, encodeOptions(options), String(options.timestamp), width, "") - 1;
      count = 0;
    }
    args.push(job.bullId, job.data);
    if (isTraced) args.push(traceparent);
    count += 1;
    args[countAt] = String(count);
    last = job;
  }
}
