/** A job that this process is running. */
export class ActiveJob {
  readonly queue: string;
  readonly bullId: string;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  constructor(queue: string, bullId: string) {
    this.queue = queue;
    this.bullId = bullId;
  }

  // Lazy: few handlers use the signal, and a controller costs more than the rest of the setup.
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  get isAborted(): boolean {
    return this.#reason !== undefined;
  }

  get reason(): Error | undefined {
    return this.#reason;
  }

  abort(reason: Error): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }
}

export interface ActiveJobs {
  begin(queue: string, bullId: string): ActiveJob;
  end(job: ActiveJob): void;
  /** Whether this process runs another attempt of the same job, because Redis lost the job during that attempt. */
  hasConcurrentAttempt(job: ActiveJob): boolean;
  /** Aborts all attempts with this id. */
  abort(bullId: string, reason: Error): void;
  /** Returns jobs that were already active at the previous call. */
  getLongRunning(): ActiveJob[];
  /** Aborts all attempts, and every later attempt from its beginning. */
  abortAll(reason: Error): void;
  /** Resolves when no job is active. */
  waitUntilIdle(): Promise<void>;
  readonly size: number;
  countInQueue(queue: string): number;
}

export function createActiveJobs(): ActiveJobs {
  const active = new Set<ActiveJob>();
  let stopReason: Error | undefined;
  let idleWaiters: (() => void)[] = [];
  let previouslyActive: ReadonlySet<ActiveJob> = new Set();

  return {
    begin(queue, bullId) {
      const job = new ActiveJob(queue, bullId);
      if (stopReason !== undefined) job.abort(stopReason);
      active.add(job);
      return job;
    },
    end(job) {
      active.delete(job);
      if (active.size > 0) return;
      for (const done of idleWaiters) done();
      idleWaiters = [];
    },
    hasConcurrentAttempt: (job) =>
      [...active].some((other) => other !== job && other.bullId === job.bullId),
    abort(bullId, reason) {
      for (const job of active) if (job.bullId === bullId) job.abort(reason);
    },
    getLongRunning() {
      const longRunning = [...active].filter((job) => previouslyActive.has(job));
      previouslyActive = new Set(active);
      return longRunning;
    },
    abortAll(reason) {
      stopReason = reason;
      for (const job of active) job.abort(reason);
    },
    waitUntilIdle: () =>
      active.size === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve)),
    get size() {
      return active.size;
    },
    countInQueue: (queue) =>
      active.values().reduce((count, job) => count + Number(job.queue === queue), 0),
  };
}

/** Abort reason: the job was cancelled or has ended in the ledger during the attempt. */
export class CancelledError extends Error {
  override readonly name = "Cancelled";

  constructor() {
    super("The job was cancelled or has already ended.");
  }
}

/** Abort reason: the attempt exceeded its timeout. */
export class TimedOutError extends Error {
  override readonly name = "TimedOut";

  constructor(timeoutMs: number) {
    super(`The attempt took longer than ${timeoutMs} ms.`);
  }
}
