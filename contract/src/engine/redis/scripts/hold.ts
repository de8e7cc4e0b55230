import { limits } from "../../../api/limits.ts";
import { queueKeys } from "../names.ts";
import { type BufferScriptRedis, createBufferScript } from "./script.ts";
import type { HeldJob, TakenJson } from "./take.ts";
import { decodeTakenFields, type TakenFields } from "./taken-fields.ts";

export interface LeaseToHold extends HeldJob {
  /** JSON text. */
  progress?: string | undefined;
  /** Log lines, JSON texts. */
  lines?: readonly string[];
}

export interface HoldRequest {
  /**
   * `extend`: the locks end `ms` from now, or when the timeout of the job ends, if that is earlier. `hold`: they last
   * for `ms` at least.
   */
  mode: "extend" | "hold";
  ms: number;
  /** Whether the data of the jobs is needed. */
  returnsData: boolean;
  leases: readonly LeaseToHold[];
}

/** A job whose lock was renewed. */
export interface HeldJson {
  json: TakenJson;
  /** Ms until the lock ends; 0 if the attempt has timed out. */
  lockMs: number;
  /** Log lines, JSON texts. */
  lines: readonly string[];
}

/**
 * Renews the locks of jobs of one queue. Returns one entry per lease, in order; undefined if the lease is lost. Rejects
 * with the client's errors.
 */
export type Hold = (queue: string, request: HoldRequest) => Promise<(HeldJson | undefined)[]>;

export const holdScriptUrl: URL = new URL("./hold.lua", import.meta.url);

// A call blocks Redis for about 1 ms.
const maxHeldPerCall = 128;

/** @param settings.script the text of `holdScriptUrl` */
export function createHold(
  redis: BufferScriptRedis,
  settings: { prefix: string; script: string },
): Hold {
  const run = createBufferScript(redis, settings.script);
  return async (queue, { mode, ms, returnsData, leases }) => {
    const { base, events } = queueKeys(settings.prefix, queue);
    const held: (HeldJson | undefined)[] = [];
    for (let start = 0; start < leases.length; start += maxHeldPerCall) {
      const part = leases.slice(start, start + maxHeldPerCall);
      const args = [base, String(Date.now()), mode, String(ms), returnsData ? "1" : ""];
      args.push(String(limits.logLines));
      for (const { id, token, progress = "", lines = [] } of part) {
        args.push(id, token, progress, String(lines.length), ...lines);
      }
      const reply = decodeTakenFields((await run([events], args)) as Buffer);
      held.push(...part.map((lease, index) => toHeld(lease, reply[index])));
    }
    return held;
  };
}

function toHeld({ id, token }: HeldJob, fields: TakenFields | undefined): HeldJson | undefined {
  const [
    name,
    options,
    timestamp,
    made,
    started,
    stalls,
    startedAt,
    worker,
    data,
    lockMs,
    ...lines
  ] = fields ?? [];
  if (name === undefined) return undefined;
  return {
    json: {
      id,
      token,
      name,
      data,
      options,
      timestamp: Number(timestamp ?? 0),
      takenAt: Number(startedAt ?? Date.now()),
      worker: worker ?? "",
      attemptsMade: Number(made ?? 0),
      attemptsStarted: Number(started ?? 1),
      stalls: Number(stalls ?? 0),
      deferredFailure: undefined,
      schedulerId: undefined,
    },
    lockMs: Number(lockMs ?? 0),
    lines: lines.flatMap((line) => line ?? []),
  };
}
