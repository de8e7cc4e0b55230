import { toShownUrl } from "@toril/contract/engine/webhooks/callbacks";
import type { JobState } from "@toril/contract/api/jobs/job-states";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { LiveDetail } from "@toril/contract/engine/redis/live-detail";
import { type Attempt, attemptLost, type Job, type JobDetail } from "@toril/contract/api/jobs/job";
import { parseHistory } from "@toril/contract/engine/jobs/change/retry";
import type { LiveState } from "@toril/contract/engine/redis/live-state";
import { bullId } from "@toril/contract/engine/redis/names";
import type { JobDetailRow, JobReader, JobRow } from "./read-jobs.ts";
import { redactJobData } from "./shown-data.ts";

type DispatchedJob = { queue: string; bullId: string };

export interface LiveJobs {
  /** Converts rows to jobs as clients see them, with the live state of pending jobs from Redis. */
  toJobs(rows: readonly JobRow[]): Promise<Job[]>;
  /** Returns the ids of the rows that are in a live state. Rejects while Redis is unavailable. */
  findInState(rows: readonly JobRow[], state: JobState): Promise<string[]>;
  toJob(row: JobRow): Promise<Job>;
  /** Converts a job that was just retried, before it is dispatched. */
  toUndispatchedJob(row: JobRow): Job;
  /** Like `toJob`, with details that are slower to read. */
  toJobDetail(row: JobDetailRow): Promise<JobDetail>;
}

export interface LiveJobsDeps {
  jobTypes: JobTypeRegistry;
  readStates(jobs: readonly DispatchedJob[]): Promise<readonly (LiveState | undefined)[]>;
  readDetail(job: DispatchedJob): Promise<LiveDetail>;
  /** Jobs per second that leave a queue; undefined if the rate is unknown. */
  getDequeueRate(queue: string): number | undefined;
}

export function createLiveJobs(deps: LiveJobsDeps): LiveJobs {
  const { jobTypes, readStates, readDetail, getDequeueRate } = deps;

  async function readLive(rows: readonly JobRow[]) {
    const pending = rows.filter((row) => row.status === "pending");
    // Redis is unavailable: jobs are shown as the ledger knows them.
    const states = await readStates(pending.map(toDispatchedJob)).catch(() => undefined);
    return (row: JobRow) => states && toLive(states[pending.indexOf(row)]);
  }

  return {
    async toJobs(rows) {
      const getLive = await readLive(rows);
      return rows.map((row) => toJob(jobTypes, row, getLive(row)));
    },
    async findInState(rows, state) {
      const pending = rows.filter((row) => row.status === "pending");
      const states = await readStates(pending.map(toDispatchedJob));
      const isInState = (row: JobRow, at: number) => toState(row, toLive(states[at])) === state;
      return pending.filter(isInState).map(({ id }) => id);
    },
    toJob: async (row) => toJob(jobTypes, row, (await readLive([row]))(row)),
    toUndispatchedJob: (row) => toJob(jobTypes, row, toLive(undefined)),
    async toJobDetail(row) {
      if (row.status !== "pending") return toDetail(jobTypes, row, {});
      const [getLive, detail] = await Promise.all([
        readLive([row]),
        readDetail(toDispatchedJob(row)).catch(() => undefined),
      ]);
      return toDetail(jobTypes, row, {
        current: getLive(row),
        detail,
        rate: getDequeueRate(row.queue),
      });
    },
  };
}

function toDispatchedJob({ id, generation, queue }: JobRow): DispatchedJob {
  return { queue, bullId: bullId(id, generation) };
}

function toDetail(
  jobTypes: JobTypeRegistry,
  row: JobDetailRow,
  { current, detail, rate }: LiveDetails,
): JobDetail {
  const { dispatchedOn, processedOn } = current ?? {};
  const position = current?.state === "active" ? null : (detail?.position ?? null);
  return {
    ...toJob(jobTypes, row, current),
    dispatchedAt: toTime(dispatchedOn),
    startedAt: toTime(processedOn) ?? row.startedAt?.toISOString() ?? null,
    position,
    estimatedStartAt: estimateStart(row, { position, rate, state: current?.state }),
    backoff: row.options.backoff,
    timeoutMs: row.options.timeoutMs ?? null,
    order: row.options.order ?? "fifo",
    callbackUrl: row.callbackUrl && toShownUrl(row.callbackUrl),
    children: row.childCounts,
    attemptHistory: toAttempts(row, { current, detail }),
    failures: row.failures ?? detail?.failures ?? [],
    log: row.log ?? detail?.log ?? [],
    history: parseHistory(row.history),
  };
}

function toTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** Failed and lost attempts have left an error; the last attempt is in the row, or active. */
function toAttempts(row: JobDetailRow, { current, detail }: LiveDetails): Attempt[] {
  const attempts = (row.failures ?? detail?.failures ?? []).map((failure): Attempt => {
    const { attempt, name, startedAt = null, durationMs = null, worker = null } = failure;
    return {
      attempt,
      outcome: name === attemptLost ? "lost" : "failed",
      startedAt,
      durationMs,
      worker,
    };
  });
  const isKnown = attempts.some(({ attempt }) => attempt === row.attempts);
  if (row.status !== "pending" && row.startedAt !== null && !isKnown) {
    const { durationMs, worker } = row;
    const outcome =
      row.status === "completed" || row.status === "cancelled" ? row.status : "failed";
    const startedAt = row.startedAt.toISOString();
    attempts.push({ attempt: row.attempts, outcome, startedAt, durationMs, worker });
  }
  if (current?.state === "active" && current.processedOn !== undefined) {
    const attempt = current.attemptsMade + 1;
    const startedAt = new Date(current.processedOn).toISOString();
    const { worker = null } = current;
    attempts.push({ attempt, outcome: "active", startedAt, durationMs: null, worker });
  }
  return attempts;
}

interface LiveDetails {
  current?: Live | undefined;
  detail?: LiveDetail | undefined;
  rate?: number | undefined;
}

function estimateStart(
  { runAt }: JobRow,
  seen: { state: Job["state"] | undefined; position: number | null; rate: number | undefined },
): string | null {
  const { state, position, rate } = seen;
  if (state === "delayed") return runAt?.toISOString() ?? null;
  if (position === null || !rate) return null;
  return new Date(Date.now() + (position / rate) * 1000).toISOString();
}

interface Live {
  state: Job["state"];
  attemptsMade: number;
  progress: unknown;
  dispatchedOn?: number | undefined;
  processedOn?: number | undefined;
  worker?: string | null;
}

function toLive(liveState: LiveState | undefined): Live {
  if (liveState === undefined) return { state: "undispatched", attemptsMade: 0, progress: null };
  const { state, dispatchedOn, processedOn, worker, stalls, progress = null } = liveState;
  const attemptsMade = liveState.attemptsMade + stalls;
  // The job finished a moment ago, and its settlement is still being batched.
  return {
    state: state === "finished" ? "active" : state,
    attemptsMade,
    progress,
    dispatchedOn,
    processedOn,
    worker,
  };
}

function toJob(jobTypes: JobTypeRegistry, row: JobRow, current: Live | undefined): Job {
  const isPending = row.status === "pending";
  return {
    id: row.id,
    type: row.type,
    queue: row.queue,
    key: row.key,
    importId: row.importId,
    schedule: row.schedule,
    status: row.status,
    parent:
      row.parentId === null
        ? null
        : { id: row.parentId, onFailure: row.onFailure ?? "ignoreDependencyOnFailure" },
    state: toState(row, current),
    data: redactJobData(jobTypes, row),
    result: row.result,
    error: row.error,
    labels: row.labels ?? [],
    priority: row.options.priority ?? null,
    attempts: {
      made: isPending ? (current?.attemptsMade ?? 0) : row.attempts,
      max: row.options.attempts,
    },
    progress: isPending ? (current?.progress ?? null) : null,
    createdAt: row.createdAt.toISOString(),
    runAt: row.runAt?.toISOString() ?? null,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    settledAt: row.settledAt?.toISOString() ?? null,
  };
}

function toState(row: JobRow, current: Live | undefined): Job["state"] {
  if (row.status !== "pending") return null;
  return row.waitingChildren === true ? "waiting-children" : (current?.state ?? null);
}

/** Reads a job as clients see it. */
export type ReadJob = (tenant: string, id: string) => Promise<Job | undefined>;

export function createReadJob(jobs: JobReader, live: LiveJobs): ReadJob {
  return async (tenant, id) => {
    const row = await jobs.find(tenant, id);
    return row && live.toJob(row);
  };
}
