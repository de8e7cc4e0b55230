import type { RedisQueueBackend, Worker } from "bullmq";
import { sleep } from "../wait.ts";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";

export interface LockRenewalDeps {
  worker: Pick<Worker, "extendJobLocks">;
  jobs: ReadonlySet<TakenJob>;
  lockDurationMs: number;
  onError(error: Error): void;
  reportError(thrown: unknown): void;
}

/** Renews the locks of running jobs until it is disposed. */
export function startLockRenewal(deps: LockRenewalDeps): Disposable {
  const { worker, jobs, lockDurationMs, onError, reportError } = deps;
  const everyMs = lockDurationMs / 4;
  let isRenewing = false;

  async function renewLocks() {
    const now = Date.now();
    const due = [...jobs].filter((job) => job.renewedAt + everyMs < now);
    if (due.length === 0 || isRenewing) return;
    isRenewing = true;
    for (const job of due) job.renewedAt = now;
    try {
      const [ids, tokens] = [due.map((job) => job.id), due.map((job) => job.token)];
      for (const id of await worker.extendJobLocks(ids, tokens, lockDurationMs)) {
        onError(new Error(`could not renew the lock of job ${id}`));
      }
    } catch (error) {
      reportError(error);
    } finally {
      isRenewing = false;
    }
  }

  const timer = setInterval(() => void renewLocks(), everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

export interface StalledCheckDeps {
  backend: Pick<RedisQueueBackend, "moveStalledJobsToWait">;
  stalledIntervalMs: number;
  /** Called before stalled jobs are moved to the wait list. */
  beforeStalledCheck(): Promise<void>;
  onStalled(jobId: string): void;
  stop: AbortSignal;
  reportError(thrown: unknown): void;
}

/** Moves jobs whose worker does not renew their locks back to the wait list, until `stop` is aborted. */
export async function checkStalled(deps: StalledCheckDeps): Promise<void> {
  const { backend, stalledIntervalMs, beforeStalledCheck, onStalled, stop, reportError } = deps;
  while (!stop.aborted) {
    try {
      await beforeStalledCheck();
      for (const id of await backend.moveStalledJobsToWait()) onStalled(id);
    } catch (error) {
      reportError(error);
    }
    await sleep(stalledIntervalMs, stop);
  }
}
