import type { FinalStatus } from "@toril/contract/api/jobs/job-states";
import type { FailurePolicy } from "@toril/client";

/** Who processes the jobs of a type; each kind has a type and a queue of its own. */
export const workerKinds = ["handler", "pull", "push", "stock"] as const;
export type WorkerKind = (typeof workerKinds)[number];

export const types: Record<WorkerKind, string> = {
  handler: "echo",
  pull: "model.pull",
  push: "model.push",
  stock: "model.stock",
};
export const queues: Record<WorkerKind, string> = { ...types, handler: "default" };

/** State that a job reaches without further actions. */
export type Rest = "waits-for-children" | "waits" | "delayed" | "runs" | FinalStatus;

export interface Behaviour {
  worker: WorkerKind;
  isDelayed: boolean;
  /** Active until it is cancelled. */
  isLong: boolean;
  failures: number;
  attempts: number;
  priority: number | undefined;
  isLifo: boolean;
}

export interface ModelJob extends Behaviour {
  id: string;
  key: string | undefined;
  rest: Rest;
  generation: number;
  endings: number;
  /** Attempts that count when the job is completed or dead. */
  made: number;
  /** BullMQ puts stalled jobs into the list of waiting jobs regardless of their priority. */
  isStalled: boolean;
  /** The current lease of an HTTP worker. */
  lease: string | undefined;
  parent: ModelJob | undefined;
  onFailure: FailurePolicy | undefined;
}

/** A lease that an HTTP worker got, valid or not. */
export interface ModelLease {
  job: ModelJob;
  generation: number;
  lease: string;
}

/** Expected state of the jobs of a stack. */
export interface Model {
  paused: Set<WorkerKind>;
  jobs: ModelJob[];
  leases: ModelLease[];
  /** The job that holds the deduplication window of a key. */
  windows: Map<string, ModelJob>;
}

export const createModel = (): Model => ({
  paused: new Set(),
  jobs: [],
  leases: [],
  windows: new Map(),
});

export function addJob(
  model: Model,
  behaviour: Behaviour,
  more: Pick<ModelJob, "id"> & Partial<ModelJob>,
): ModelJob {
  const job: ModelJob = {
    ...behaviour,
    key: undefined,
    rest: "delayed",
    generation: 0,
    endings: 0,
    made: 0,
    isStalled: false,
    lease: undefined,
    parent: undefined,
    onFailure: undefined,
    ...more,
  };
  model.jobs.push(job);
  return job;
}

const pendingRests: ReadonlySet<Rest> = new Set(["waits-for-children", "waits", "delayed", "runs"]);

export const isPending = (job: ModelJob) => pendingRests.has(job.rest);

export const runs =
  (...kinds: readonly WorkerKind[]) =>
  (job: ModelJob) =>
    job.rest === "runs" && kinds.includes(job.worker);

/** What follows when nothing but the due time holds back the job. */
export function dispatch(model: Model, job: ModelJob) {
  if (job.isDelayed) job.rest = "delayed";
  else begin(model, job);
}

/** What follows when a job is due. */
export function begin(model: Model, job: ModelJob) {
  job.isDelayed = false;
  if (job.worker === "pull" || model.paused.has(job.worker)) job.rest = "waits";
  else if (job.isLong) job.rest = "runs";
  else {
    job.made = Math.min(job.failures + 1, job.attempts);
    end(model, job, job.failures >= job.attempts ? "dead" : "completed");
  }
}

export function end(model: Model, job: ModelJob, rest: FinalStatus) {
  const wasWaiting = job.rest === "waits-for-children";
  job.rest = rest;
  job.endings += 1;
  job.lease = undefined;
  if (wasWaiting && (rest === "cancelled" || rest === "expired")) {
    for (const child of findPendingChildren(model, job)) end(model, child, "cancelled");
  }
  const { parent } = job;
  if (parent?.rest !== "waits-for-children") return;
  const policy = rest === "completed" ? undefined : job.onFailure;
  if (policy === "removeDependencyOnFailure") job.parent = undefined;
  if (policy === "failParentOnFailure") {
    parent.made = 0;
    end(model, parent, "dead");
  } else if (
    policy === "continueParentOnFailure" ||
    findPendingChildren(model, parent).length === 0
  ) {
    dispatch(model, parent);
  }
}

function findPendingChildren(model: Model, parent: ModelJob) {
  return model.jobs.filter((job) => job.parent === parent && isPending(job));
}

/** Re-opens jobs in one step. Parents wait for their pending children. */
export function retry(model: Model, jobs: readonly ModelJob[]) {
  for (const job of jobs) {
    job.generation += 1;
    job.made = 0;
    job.isDelayed = false;
    job.isStalled = false;
    job.rest = "waits";
  }
  const waiting = jobs.filter((job) => findPendingChildren(model, job).length > 0);
  for (const job of waiting) job.rest = "waits-for-children";
  for (const job of jobs) if (!waiting.includes(job)) begin(model, job);
}

export function findHolder(model: Model, key: string | undefined) {
  return key === undefined
    ? undefined
    : model.jobs.find((job) => job.key === key && isPending(job));
}
