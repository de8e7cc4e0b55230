/** One job while this process runs it. */
export interface ActiveJob {
  readonly signal: AbortSignal;
  readonly isAborted: boolean;
}

export interface ActiveJobs {
  begin(): ActiveJob;
  end(job: ActiveJob): void;
  /** Tells every run to end, and every later one from its beginning. */
  abortAll(reason: Error): void;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
  readonly size: number;
}

interface Abortable extends ActiveJob {
  abort(reason: Error): void;
}

export function createActiveJobs(): ActiveJobs {
  const active = new Set<ActiveJob & Abortable>();
  let stopReason: Error | undefined;
  let idleWaiters: (() => void)[] = [];

  return {
    begin() {
      const job = createAbortable();
      if (stopReason !== undefined) job.abort(stopReason);
      active.add(job);
      return job;
    },
    end(job) {
      active.delete(job as Abortable);
      if (active.size > 0) return;
      for (const done of idleWaiters) done();
      idleWaiters = [];
    },
    abortAll(reason) {
      stopReason = reason;
      for (const job of active) job.abort(reason);
    },
    idle: () =>
      active.size === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve)),
    get size() {
      return active.size;
    },
  };
}

function createAbortable(): Abortable {
  let controller: AbortController | undefined;
  let reason: Error | undefined;
  return {
    // Made when it is asked for: few handlers do, and a controller costs more than the rest of a start.
    get signal() {
      controller ??= new AbortController();
      if (reason !== undefined) controller.abort(reason);
      return controller.signal;
    },
    get isAborted() {
      return reason !== undefined;
    },
    abort(because) {
      reason ??= because;
      controller?.abort(reason);
    },
  };
}
