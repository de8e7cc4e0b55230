import { isBullId, queueKeys } from "./names.ts";
import {
  encodeOptions,
  encodeTraceparent,
  haveSameEncoding,
  type PlaceOptions,
} from "./options.ts";

export type { PlaceOptions };

export interface Placement {
  bullId: string;
  /** The name of the BullMQ job. */
  type: string;
  /** JSON text. */
  data: string;
  options: PlaceOptions;
}

/** What placing needs of an ioredis client, single or Cluster. */
export interface ScriptRedis {
  evalsha(sha1: string, keyCount: number, keysAndArguments: string[]): Promise<unknown>;
  eval(script: string, keyCount: number, keysAndArguments: string[]): Promise<unknown>;
}

/** Resolves to how many were new. */
export type Place = (queue: string, jobs: readonly Placement[]) => Promise<number>;

export const placeScriptUrl: URL = new URL("./place.lua", import.meta.url);

// Redis does nothing else during a call.
export const maxPlacementsPerCall = 256;
const maxDataLengthPerCall = 4_000_000;

/**
 * Adds jobs to BullMQ in their order, atomically per 256 jobs or 4 MB, whichever comes first. An id that stands
 * already is left alone, so what failed half-way can be placed again. Rejects as the client does, and with a
 * `TypeError` when an id is not one of `bullId`'s.
 *
 * @param settings.script the text of `placeScriptUrl`
 */
export function createPlace(
  redis: ScriptRedis,
  settings: { prefix: string; script: string },
): Place {
  const { prefix, script } = settings;
  const sha1 = sha1Of(script);

  async function run([keys, args]: [string[], string[]]) {
    const keysAndArguments = [...keys, ...args];
    try {
      return await redis.evalsha(await sha1, keys.length, keysAndArguments);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return await redis.eval(script, keys.length, keysAndArguments);
    }
  }

  return async (queue, jobs) => {
    let created = 0;
    for (const call of callsOf(jobs)) created += Number(await run(encodeCall(prefix, queue, call)));
    return created;
  };
}

function* callsOf(jobs: readonly Placement[]) {
  let start = 0;
  let dataLength = 0;
  for (const [index, { data }] of jobs.entries()) {
    dataLength += data.length;
    if (
      index - start === maxPlacementsPerCall ||
      (index > start && dataLength > maxDataLengthPerCall)
    ) {
      yield jobs.slice(start, index);
      start = index;
      dataLength = data.length;
    }
  }
  if (start < jobs.length) yield jobs.slice(start);
}

/** The KEYS and ARGV that place.lua describes. */
function encodeCall(
  prefix: string,
  queue: string,
  jobs: readonly Placement[],
): [keys: string[], args: string[]] {
  const keys = queueKeys(prefix, queue);
  const kinds: string[] = [];
  const kindNumbers = new Map<string, string>();
  const perJob: string[] = [];
  let last: Placement | undefined;
  let kind = "";
  for (const job of jobs) {
    if (!isBullId(job.bullId)) throw new TypeError(`not an id of a job: ${job.bullId}`);
    if (last?.type !== job.type || !haveSameEncoding(last.options, job.options)) {
      const options = encodeOptions(job.options);
      const identity = `${options} ${job.type}`;
      kind = kindNumbers.get(identity) ?? String(kindNumbers.size + 1);
      if (kindNumbers.size < Number(kind)) kinds.push(job.type, options);
      kindNumbers.set(identity, kind);
      last = job;
    }
    perJob.push(
      kind,
      job.bullId,
      String(job.options.timestamp),
      encodeTraceparent(job.options),
      job.data,
    );
  }
  return [
    [
      keys.wait,
      keys.active,
      keys.delayed,
      keys.prioritized,
      keys.marker,
      keys.meta,
      keys.id,
      keys.pc,
      keys.events,
    ],
    [keys.base, String(kindNumbers.size), ...kinds, ...perJob],
  ];
}

async function sha1Of(text: string) {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
