import type { JobType } from "@toril/contract/api/job-type";
import { toStorableText } from "@toril/contract/api/json/json";
import type { ExtendedLease, LeaseExtension } from "@toril/contract/api/worker/extend";
import { type Lease, parseLease, toLeasedBullId } from "@toril/contract/engine/jobs/attempt/lease";
import type { LedgerLookup } from "@toril/contract/engine/jobs/attempt/ledger-lookup";
import { openSecrets } from "@toril/contract/engine/jobs/attempt/open-secrets";
import type { AttemptOutcomes } from "@toril/contract/engine/jobs/attempt/outcome";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import type { AttemptMetrics } from "@toril/contract/engine/metrics/attempt-metrics";
import type { HeldJson, Hold } from "@toril/contract/engine/redis/scripts/hold";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Scrub } from "@toril/contract/engine/secrets/scrub";
import type { Logger } from "pino";
import { throwUnavailable } from "../queues/queue-reader.ts";
import type { PullQueue } from "./pull-queues.ts";

export interface ExtendLeasesDeps {
  getQueue(name: string): PullQueue;
  hold: Hold;
  attempts: AttemptOutcomes;
  findType(job: TakenJob): JobType | undefined;
  hasSecrets(queue: string): boolean;
  secretKeys: KeyRing | undefined;
  ledgerLookup: Pick<LedgerLookup, "getStatus">;
  finish(queue: string, jobs: readonly TakenJob[]): Promise<void>;
  metrics: Pick<AttemptMetrics, "countAttempt">;
  log: Pick<Logger, "warn">;
}

/** Extends leases, in the order of the request. Throws a problem if Redis is unavailable. */
export type ExtendLeases = (
  extension: LeaseExtension,
  mayWork: (queue: string) => boolean,
) => Promise<ExtendedLease[]>;

type Requested = LeaseExtension["leases"][number];

interface Entry {
  index: number;
  requested: Requested;
  lease: Lease;
  bullId: string;
}

/** Long enough to read the data of jobs with secrets. */
const holdMs = 5000;

export function createExtendLeases(deps: ExtendLeasesDeps): ExtendLeases {
  const { getQueue, hold, attempts, ledgerLookup, finish, metrics, log } = deps;

  /** Reads the data of the jobs, to remove their secrets from what their workers report. */
  async function readScrubs(queue: string, entries: readonly Entry[]) {
    if (!deps.hasSecrets(queue)) return [];
    const leases = entries.map(({ bullId: id, lease: { token } }) => ({ id, token }));
    const holding = hold(queue, { mode: "hold", ms: holdMs, returnsData: true, leases });
    const held = await holding.catch(throwUnavailable);
    return held.map((one, index): Scrub | undefined => {
      const job = one && getQueue(queue).toTakenJob(one.json);
      const type = job && deps.findType(job);
      if (type === undefined) return undefined;
      const opened = openSecrets(
        type,
        entries[index]?.requested.id ?? "",
        job?.data,
        deps.secretKeys,
      );
      return opened.status === "ok" ? opened.scrub : undefined;
    });
  }

  async function timeOut({ requested, lease }: Entry, { json }: HeldJson) {
    const { queue, generation } = lease;
    const job = getQueue(queue).toTakenJob(json);
    const started = {
      job,
      target: { id: requested.id, generation },
      attempt: job.attempt,
      scrub: undefined,
      startedAt: new Date(job.processedOn),
      durationMs: Date.now() - job.processedOn,
    };
    const message = `The attempt took longer than ${job.opts.timeoutMs} ms.`;
    const error = { name: "TimedOut", message };
    const result = await attempts.fail(started, { error, retry: "policy" });
    metrics.countAttempt(queue, job.name, result.outcome, job);
    if (await getQueue(queue).apply(job, result)) await finish(queue, [job]);
  }

  async function isEnded({ requested, lease }: Entry): Promise<boolean> {
    try {
      const { status } = await ledgerLookup.getStatus(requested.id, lease.generation);
      return status === "not-pending";
    } catch (error) {
      // The worker keeps its job while Postgres is unavailable.
      log.warn({ err: error }, "failed to check leased jobs for cancellation");
      return false;
    }
  }

  async function toExtended(entry: Entry, held: HeldJson | undefined): Promise<ExtendedLease> {
    const { id } = entry.requested;
    if (held === undefined) {
      // Also the lease of a job that was removed because it was cancelled.
      return (await isEnded(entry)) ? { id, cancelled: true, lost: true } : { id, lost: true };
    }
    if (held.lockMs <= 0) {
      await timeOut(entry, held);
      return { id, lost: true };
    }
    if (await isEnded(entry)) return { id, cancelled: true };
    return { id, leaseUntil: new Date(Date.now() + held.lockMs).toISOString() };
  }

  return async ({ leases, leaseMs }, mayWork) => {
    const extended: ExtendedLease[] = leases.map(({ id }) => ({ id, lost: true }));
    const byQueue = new Map<string, Entry[]>();
    leases.forEach((requested, index) => {
      const lease = parseLease(requested.lease);
      const bullId = lease && toLeasedBullId(requested.id, lease);
      if (lease === undefined || bullId === undefined || !mayWork(lease.queue)) return;
      const entries = byQueue.get(lease.queue) ?? [];
      byQueue.set(lease.queue, entries);
      entries.push({ index, requested, lease, bullId });
    });
    await Promise.all(
      [...byQueue].map(async ([queue, entries]) => {
        const scrubs = await readScrubs(queue, entries);
        const holding = hold(queue, {
          mode: "extend",
          ms: leaseMs,
          returnsData: false,
          leases: entries.map(({ bullId: id, lease: { token }, requested }, at) => ({
            id,
            token,
            progress: toProgress(requested, scrubs[at]),
            lines: toLines(requested, scrubs[at]),
          })),
        });
        const held = await holding.catch(throwUnavailable);
        const results = await Promise.all(entries.map((entry, at) => toExtended(entry, held[at])));
        entries.forEach(({ index }, at) => {
          const result = results[at];
          if (result !== undefined) extended[index] = result;
        });
      }),
    );
    return extended;
  };
}

function toProgress({ progress }: Requested, scrub: Scrub | undefined): string | undefined {
  if (progress === undefined) return undefined;
  return JSON.stringify(scrub ? scrub.value(progress) : progress);
}

function toLines({ log }: Requested, scrub: Scrub | undefined): string[] {
  if (log === undefined) return [];
  const at = new Date().toISOString();
  return (Array.isArray(log) ? log : [log]).map((entry) => {
    const { level = "info", message } = typeof entry === "string" ? { message: entry } : entry;
    return JSON.stringify({
      at,
      level,
      message: toStorableText(scrub ? scrub.text(message) : message),
    });
  });
}
