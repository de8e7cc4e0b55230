import { until } from "../../../ops/dev/until.ts";
import { type CpuTimes, measureCpu } from "../measure.ts";
import type { Bench } from "../part.ts";
import { type RequestKind, toRequestText } from "../requests.ts";
import type { Sample } from "../results.ts";
import type { Target } from "../targets/open-target.ts";
import { type Contender, createContender } from "./alternate.ts";

export interface LoadRound {
  target: Target;
  kind: RequestKind;
  connections: number;
  seconds: number;
  /** Whether the round lasts until every accepted job has ended. */
  untilSettled?: boolean;
  /** Whether jobs of earlier rounds stay. */
  keepsJobs?: boolean;
}

/** Jobs of a bulk request, and rows of a CSV file. */
export const bulkJobs = 1000;
export const csvRows = 30_000;

/** Seconds of load before the first round: the compilers of Bun and Node go on optimizing for thousands of requests. */
export const warmUpSeconds = (seconds: number) => (seconds < 2 ? 0.5 : 2 * seconds);

/** Contends with rounds of this kind, after a warm-up. */
export function createLoadContender(bench: Bench, round: LoadRound, variant = ""): Contender {
  const isSmall = round.kind === "post" || round.kind === "wait";
  // One connection would not warm up the compilers of the processes.
  const connections = isSmall ? Math.max(round.connections, 16) : round.connections;
  const seconds = warmUpSeconds(round.seconds);
  return createContender(round.target, variant, {
    warmUp: () => runLoad(bench, { ...round, connections, seconds }),
    run: () => runLoad(bench, round),
  });
}

/** @throws if the number of accepted jobs differs from the jobs in the stores, or if one is not settled */
export async function runLoad(bench: Bench, round: LoadRound): Promise<Sample> {
  const { target, kind, connections, seconds, untilSettled = false, keepsJobs = false } = round;
  const { generator, options } = bench;
  const { jobs, ports } = target;
  const size = { bodyBytes: options.bodyBytes, bulkJobs, csvRows };
  const request = target.definition.requests[kind]?.(size);
  if (request === undefined) throw new Error(`${target.name} has no request of kind ${kind}`);
  if (!keepsJobs) {
    await jobs.empty(target.hasConsumers());
    await target.context.stores.tidy();
  }
  const before = await jobs.count();
  const { expected } = request;
  await generator.connect({ ports, connections, request: toRequestText(request), expected });

  const [load, use] = await measureCpu(target.pids(generator.pid), async () => {
    const startedAt = performance.now();
    const result = await generator.run(seconds);
    if (!untilSettled) return result;
    await untilUnfinished(target, 0, bench.signal);
    return { ...result, seconds: (performance.now() - startedAt) / 1000 };
  });
  const after = await jobs.count();
  const accepted = after.accepted - before.accepted;
  const settled = after.settled - before.settled;
  const sent = load.accepted * request.jobs;
  // Requests that failed may have been recorded.
  if (load.errors === 0 ? accepted !== sent : accepted < sent) {
    throw new Error(
      `${target.name}: ${sent} jobs were accepted, but ${accepted} are in the stores`,
    );
  }
  if (untilSettled && settled !== accepted) {
    throw new Error(`${target.name}: of ${accepted} accepted jobs, ${settled} were settled`);
  }
  const { seconds: duration, errors, p50Ms, p99Ms } = load;
  return {
    jobs: sent,
    seconds: duration,
    errors,
    p50Ms,
    p99Ms,
    cpuUs: perJob(use.cpuUs, sent),
    othersShare: use.othersShare,
    accepted,
    ...(target.hasConsumers() ? { settled } : {}),
  };
}

export function perJob(cpuUs: CpuTimes, jobs: number): CpuTimes {
  const entries = Object.entries(cpuUs).map(([name, us]) => [name, us / jobs]);
  return Object.fromEntries(entries) as CpuTimes;
}

/** Waits until at most `limit` jobs are unfinished; polls stores that count slowly less often. */
export async function untilUnfinished(
  { name, definition, jobs }: Target,
  limit: number,
  signal: AbortSignal,
): Promise<void> {
  const isDone = async () => (await jobs.countUnfinished()) <= limit || undefined;
  const everyMs = definition.usesRedis ? 10 : 100;
  await until(`the jobs of ${name}`, isDone, { timeoutMs: 300_000, everyMs, signal });
}
