import { traceIdOf } from "@toril/contract/trace/traceparent";
import type { JobRequest } from "@toril/contract/jobs";
import type { Job } from "bullmq";
import type { ActiveJob } from "./active-jobs.ts";
import type { EnqueuedChildren, HandlerContext } from "./handler.ts";
import { tenantOf } from "./job-origin.ts";
import type { JobLog, Log } from "./log.ts";

export interface ContextDeps {
  log: Log;
  /** For the tenant of the job with this id. */
  enqueue(
    parent: string,
    requests: readonly JobRequest[],
    traceparent?: string,
  ): Promise<EnqueuedChildren>;
}

export interface Start {
  job: Job;
  active: ActiveJob;
  /** The id in the ledger. */
  id: string;
  attempt: number;
  /** For the jobs it enqueues. */
  traceparent: string | undefined;
}

/** Made for every run: what not every handler uses is made when it is asked for. */
export class JobContext implements HandlerContext {
  readonly id: string;
  readonly attempt: number;
  readonly #deps: ContextDeps;
  readonly #start: Start;
  #log: JobLog | undefined;

  constructor(deps: ContextDeps, start: Start) {
    this.id = start.id;
    this.attempt = start.attempt;
    this.#deps = deps;
    this.#start = start;
  }

  get signal(): AbortSignal {
    return this.#start.active.signal;
  }

  get log(): JobLog {
    const { job, id, attempt, traceparent } = this.#start;
    const traceId = traceIdOf(traceparent);
    const tenant = tenantOf(job);
    this.#log ??= this.#deps.log.child({ jobId: id, traceId, tenant, type: job.name, attempt });
    return this.#log;
  }

  get enqueue(): HandlerContext["enqueue"] {
    return (requests) => this.#deps.enqueue(this.id, requests, this.#start.traceparent);
  }

  readonly progress = (value: number | object): void => {
    this.#start.job.updateProgress(value).catch((error: unknown) => {
      this.log.debug({ err: error }, "progress was not kept");
    });
  };
}
