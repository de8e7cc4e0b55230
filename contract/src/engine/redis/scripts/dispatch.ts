import { isBullId, queueKeys } from "../names.ts";
import {
  encodeOptions,
  encodeTraceparent,
  haveSameEncoding,
  type DispatchOptions,
} from "./options.ts";
import { createScript, type ScriptRedis } from "./script.ts";

export interface DispatchEntry {
  bullId: string;
  /** Name of the BullMQ job. */
  type: string;
  /** JSON text. */
  data: string;
  options: DispatchOptions;
}

/** Dispatches jobs to a queue; resolves to the number of new jobs. */
export type Dispatch = (queue: string, jobs: readonly DispatchEntry[]) => Promise<number>;

export const dispatchScriptUrl: URL = new URL("./dispatch.lua", import.meta.url);

// A call blocks Redis, so its size is bounded.
export const maxEntriesPerCall = 256;
const maxDataLengthPerCall = 4_000_000;

/**
 * Creates a dispatcher that adds jobs to BullMQ in order, atomically per 256 jobs or 4 MB, whichever comes first. An
 * existing id is left unchanged, so a partly failed dispatch can be repeated. Rejects with the client's errors, and
 * with a `TypeError` for an id that `bullId` did not build.
 *
 * @param settings.script the text of `dispatchScriptUrl`
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
    for (const call of splitIntoCalls(jobs)) {
      const args = [base];
      appendGroups(args, call);
      created += Number(await run(keys, args));
    }
    return created;
  };
}

/** Whether Redis rejected jobs because of malformed settings in meta, which no worker could read either. */
function isMalformedSettings(error: unknown): boolean {
  return error instanceof Error && /ERR dispatch: malformed .* (in|of) meta/.test(error.message);
}

/**
 * Wraps a dispatch: on malformed settings, restores them and dispatches again.
 * @param restore applies the settings in the ledger to Redis
 */
export function createRestoringDispatch(
  dispatch: Dispatch,
  restore: (queue: string) => Promise<void>,
): Dispatch {
  return async (queue, jobs) => {
    try {
      return await dispatch(queue, jobs);
    } catch (error) {
      if (!isMalformedSettings(error)) throw error;
      // An error of Postgres is not reported as an error of Redis.
      await restore(queue).catch(() => {
        throw error;
      });
      return dispatch(queue, jobs);
    }
  };
}

function splitIntoCalls(jobs: readonly DispatchEntry[]): (readonly DispatchEntry[])[] {
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

/** Appends the groups that dispatch.lua describes. */
function appendGroups(args: string[], jobs: readonly DispatchEntry[]): void {
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
