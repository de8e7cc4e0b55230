import { randomUUID } from "node:crypto";
import type { ChildCounts, JobInput, JobResult } from "@toril/client";
import type { JobType, JobTypes } from "@toril/contract";
import {
  type ChildJob,
  createExtendContext,
  type Handler,
  type HandlerContext,
  NonRetryableError,
  RetryAfterError,
  runHandler as runAttempt,
  wrapHandlers,
} from "@toril/consumer";
import type { Project } from "../define-config.ts";
import { openProject } from "../open-project.ts";
import { runWithFakeClock } from "./fake-clock.ts";

export interface RunOptions<Context> {
  /** Replaces the context of the project; by default the project's own is opened, and closed after the attempt. */
  context?: Context;
  /** Id of the job; random by default. */
  id?: string;
  /** Number of the attempt, from 1. */
  attempt?: number;
  /** The children that the handler reads, for a job that is the parent of a graph. */
  children?: readonly ChildJob[];
  /** What `childCounts` returns; counted from `children` by default. */
  childCounts?: ChildCounts;
  /** Cancels the job when it is aborted. */
  signal?: AbortSignal;
  /**
   * Runs the handler with a fake clock that starts at this time. Timers fire at once, in their order, and move the clock.
   */
  now?: Date | string;
}

/** A log line of a handler. */
export interface LogLine {
  level: "debug" | "info" | "warn" | "error";
  args: unknown[];
}

/** The outcome of one attempt, and the calls of the handler. */
export interface HandlerRun<Type extends JobType> {
  /** As in the metrics of consumers. */
  outcome: "completed" | "retried" | "delayed" | "dead";
  /** The result, if the attempt completed. */
  result?: JobResult<Type>;
  /** What the handler threw, if the attempt failed. */
  error?: unknown;
  logs: LogLine[];
  /** The last progress that the handler set. */
  progress?: number | object;
  /** The jobs that the handler enqueued. */
  enqueued: Parameters<HandlerContext["enqueue"]>[0][number][];
}

/**
 * Runs one attempt of a job in this process, without stores: with the middleware and the defaults of the project. Data
 * and result are validated as in a consumer.
 */
export async function runHandler<
  Types extends JobTypes,
  Context extends object,
  Type extends Types[number],
>(
  project: Project<Types, Context>,
  { type }: Type,
  data: JobInput<Type>,
  options: RunOptions<NoInfer<Context>> = {},
): Promise<HandlerRun<Type>> {
  // Sound: this function passes each handler the data and the context of its own type.
  const anyProject = project as unknown as Project;
  const { config } = anyProject;
  const { jobTypes, loadPlugin } = openProject(anyProject);
  const jobType = jobTypes.find(type);
  const handler =
    (config.handlers as Record<string, Handler>)[type] ?? config.sandbox?.handlers[type];
  if (jobType === undefined || handler === undefined) {
    throw new Error(`the project has no handler for the job type ${type}`);
  }
  await using resources = new AsyncDisposableStack();
  const { middleware = [], openContext } = await loadPlugin();
  const own = options.context ?? (await openContext?.(resources)) ?? {};
  const handlers = wrapHandlers(new Map([[type, handler as Handler]]), {
    middleware,
    extendContext: createExtendContext(own),
  });

  const { attempt = 1, id = randomUUID(), children = [], now } = options;
  const run: HandlerRun<Type> = { outcome: "completed", logs: [], enqueued: [] };
  const timeout = new AbortController();
  const context = createContext(run, {
    id,
    attempt,
    async *children() {
      yield* children;
    },
    childCounts: async () => options.childCounts ?? countChildren(children),
    signal: AbortSignal.any([timeout.signal, ...(options.signal ? [options.signal] : [])]),
  });
  const { timeoutMs } = jobType.options;
  const runOnce = async () => {
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => timeout.abort(new Error(`timed out after ${timeoutMs} ms`)), timeoutMs);
    try {
      return await runAttempt(handlers, jobType, data, context);
    } finally {
      clearTimeout(timer);
    }
  };
  const ended = await (now === undefined ? runOnce() : runWithFakeClock(new Date(now), runOnce));
  if (ended.status === "completed") {
    return { ...run, result: JSON.parse(ended.result) as JobResult<Type> };
  }
  const error = timeout.signal.aborted ? timeout.signal.reason : ended.thrown;
  return { ...run, error, outcome: getOutcome(error, attempt, jobType) };
}

function countChildren(children: readonly ChildJob[]): ChildCounts | null {
  if (children.length === 0) return null;
  const counts = { total: 0, pending: 0, completed: 0, dead: 0, cancelled: 0, expired: 0 };
  for (const { status } of children) {
    counts.total += 1;
    counts[status] += 1;
  }
  return counts;
}

function getOutcome(error: unknown, attempt: number, { options }: JobType) {
  if (error instanceof RetryAfterError) return "delayed";
  const isLast = error instanceof NonRetryableError || attempt >= options.attempts;
  return isLast ? "dead" : "retried";
}

function createContext(
  run: HandlerRun<JobType>,
  attempt: Pick<HandlerContext, "id" | "attempt" | "signal" | "children" | "childCounts">,
): HandlerContext {
  const write =
    (level: LogLine["level"]) =>
    (...args: unknown[]) =>
      void run.logs.push({ level, args });
  return {
    ...attempt,
    log: {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
    },
    progress: (value) => void (run.progress = value),
    admitChildren: async () => {},
    async enqueue(requests) {
      run.enqueued.push(...requests);
      return { created: requests.length, duplicate: 0, refused: [] };
    },
  };
}
