import { type JobLogLine, limits } from "@toril/contract/job";
import { traceIdOf } from "@toril/contract/trace/traceparent";
import type { JobRequest } from "@toril/contract/jobs";
import type { Scrub } from "@toril/contract/secret/scrub";
import type { Job } from "bullmq";
import type { ActiveJob } from "./active-jobs.ts";
import type { EnqueuedChildren, HandlerContext } from "./handler.ts";
import { tenantOf } from "./job-origin.ts";
import { type JobLog, type Log, scrubbedLog } from "./log.ts";
import { RunLog } from "./run-log.ts";

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
  scrub: Scrub | undefined;
}

/** Made for every run: what not every handler uses is made when it is asked for. */
export class JobContext implements HandlerContext {
  readonly id: string;
  readonly attempt: number;
  readonly #deps: ContextDeps;
  readonly #start: Start;
  #log: RunLog | undefined;

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
    return this.#ownLog();
  }

  /** The last lines that the handler wrote. */
  get lines(): readonly JobLogLine[] {
    return this.#log?.lines ?? [];
  }

  #ownLog(): RunLog {
    const { job, id, attempt, traceparent, scrub } = this.#start;
    if (this.#log === undefined) {
      const traceId = traceIdOf(traceparent);
      const tenant = tenantOf(job);
      const log = this.#deps.log.child({ jobId: id, traceId, tenant, type: job.name, attempt });
      job.opts.keepLogs = limits.logLines;
      this.#log = new RunLog(
        scrub ? scrubbedLog(log, scrub) : log,
        scrub?.text ?? ((text) => text),
        (line) => {
          job.log(JSON.stringify(line)).catch((error: unknown) => {
            this.#deps.log.debug({ err: error }, "a line was not kept");
          });
        },
      );
    }
    return this.#log;
  }

  get enqueue(): HandlerContext["enqueue"] {
    return (requests) => this.#deps.enqueue(this.id, requests, this.#start.traceparent);
  }

  readonly progress = (value: number | object): void => {
    const { job, scrub } = this.#start;
    const shown = scrub ? (scrub.value(value) as typeof value) : value;
    job.updateProgress(shown).catch((error: unknown) => {
      this.log.debug({ err: error }, "progress was not kept");
    });
  };
}
