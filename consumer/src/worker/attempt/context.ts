import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { encodeLease } from "@toril/contract/engine/jobs/attempt/lease";
import { parseBullName } from "@toril/contract/engine/redis/names";
import { getTraceId } from "@toril/contract/engine/tracing/traceparent";
import type { ActiveJob } from "../active-jobs.ts";
import type { LeasedContext } from "../finish-later.ts";
import type { ChildJob, HandlerContext } from "../handler.ts";
import type { StartedAttempt } from "@toril/contract/engine/jobs/attempt/attempt-history";
import type { AttemptTrace } from "../../observability/tracing.ts";
import { type JobLog, type Log, scrubbedLog } from "../../observability/log.ts";
import type { ChildCounts } from "@toril/contract/api/jobs/graph";
import type { JobLogLine } from "@toril/contract/api/jobs/job";
import { limits } from "@toril/contract/api/limits";
import { toStorableText } from "@toril/contract/api/json/json";

type EnqueueChildren = HandlerContext["enqueue"];

export interface ContextDeps {
  jobTypes: Pick<JobTypeRegistry, "getRevision">;
  log: Log;
  /** Checks the quotas of the parent job and resolves to its `enqueue`. */
  admitChildren(parent: string, traceparent?: string): Promise<EnqueueChildren>;
  /** Reads the jobs for which a job waited. */
  childReader: {
    read(parent: string): AsyncIterable<ChildJob>;
    count(parent: string): Promise<ChildCounts | null>;
  };
}

/** Handler context of one attempt. Created for every attempt, so rarely used parts are lazy. */
export class JobContext implements LeasedContext {
  readonly id: string;
  readonly attempt: number;
  readonly #deps: ContextDeps;
  readonly #started: StartedAttempt;
  readonly #active: ActiveJob;
  readonly #trace: AttemptTrace | undefined;
  #log: AttemptLog | undefined;
  #admission: Promise<EnqueueChildren> | undefined;

  constructor(
    deps: ContextDeps,
    started: StartedAttempt,
    active: ActiveJob,
    trace: AttemptTrace | undefined,
  ) {
    this.id = started.target.id;
    this.attempt = started.attempt;
    this.#deps = deps;
    this.#started = started;
    this.#active = active;
    this.#trace = trace;
  }

  get signal(): AbortSignal {
    return this.#active.signal;
  }

  get lease(): string {
    const { job, target, scrub } = this.#started;
    return encodeLease({
      queue: parseBullName(job.queueName),
      generation: target.generation,
      token: job.token,
      revision: scrub && this.#deps.jobTypes.getRevision(),
    });
  }

  /** Trace context for the jobs that the handler enqueues. */
  get #traceparent(): string | undefined {
    return this.#trace?.traceparent ?? this.#started.job.traceparent;
  }

  get log(): JobLog {
    return this.#getLog();
  }

  /** Last log lines of the handler. */
  get lines(): readonly JobLogLine[] {
    return this.#log?.lines ?? [];
  }

  #getLog(): AttemptLog {
    const { job, attempt, scrub } = this.#started;
    if (this.#log === undefined) {
      const traceId = getTraceId(this.#traceparent);
      const { tenant, name: type } = job;
      const log = this.#deps.log.child({ jobId: this.id, traceId, tenant, type, attempt });
      job.opts.keepLogs = limits.logLines;
      this.#log = new AttemptLog(
        scrub ? scrubbedLog(log, scrub) : log,
        scrub?.text ?? ((text) => text),
        (line) => {
          job.log(JSON.stringify(line)).catch((error: unknown) => {
            this.#deps.log.debug({ err: error }, "failed to save a log line of the job");
          });
        },
      );
    }
    return this.#log;
  }

  get admitChildren(): HandlerContext["admitChildren"] {
    return async () => void (await this.#getEnqueue());
  }

  get enqueue(): EnqueueChildren {
    return async (requests) => {
      if (requests.length === 0) return { created: 0, duplicate: 0, refused: [] };
      const enqueue = await this.#getEnqueue();
      return enqueue(requests);
    };
  }

  get children(): HandlerContext["children"] {
    return () => this.#deps.childReader.read(this.id);
  }

  get childCounts(): HandlerContext["childCounts"] {
    return () => this.#deps.childReader.count(this.id);
  }

  /** Quotas are checked once per attempt. */
  #getEnqueue() {
    this.#admission ??= this.#deps.admitChildren(this.id, this.#traceparent);
    return this.#admission;
  }

  get progress(): HandlerContext["progress"] {
    return (value) => {
      const { job, scrub } = this.#started;
      const visible = scrub ? (scrub.value(value) as typeof value) : value;
      job.updateProgress(visible).catch((error: unknown) => {
        this.log.debug({ err: error }, "failed to save the progress of the job");
      });
    };
  }
}

type Level = JobLogLine["level"];

const maxLength = 1000;

/** A log that also keeps its last lines as part of the job. */
class AttemptLog implements JobLog {
  readonly lines: JobLogLine[] = [];
  readonly debug: JobLog["debug"];
  readonly info: JobLog["info"];
  readonly warn: JobLog["warn"];
  readonly error: JobLog["error"];

  /** @param scrub removes the job's secrets from a text */
  constructor(log: JobLog, scrub: (text: string) => string, onLine: (line: JobLogLine) => void) {
    const write =
      (level: Level) =>
      (...args: unknown[]) => {
        log[level](...(args as [object, string]));
        const message = toStorableText(scrub(toText(args)).slice(0, maxLength));
        const line = { at: new Date().toISOString(), level, message };
        this.lines.push(line);
        if (this.lines.length > limits.logLines) this.lines.shift();
        onLine(line);
      };
    this.debug = write("debug");
    this.info = write("info");
    this.warn = write("warn");
    this.error = write("error");
  }
}

/** Formats a line: the message, then the fields as JSON. */
function toText([first, ...rest]: unknown[]): string {
  if (first instanceof Error) return [...rest, `${first.name}: ${first.message}`].join(" ");
  if (typeof first !== "object" || first === null) return [first, ...rest].map(String).join(" ");
  return [...rest, toJson(first)].join(" ");
}

function toJson(fields: object): string {
  try {
    return JSON.stringify(fields, (_, value: unknown) =>
      value instanceof Error ? `${value.name}: ${value.message}` : value,
    );
  } catch {
    return "[not JSON]";
  }
}
