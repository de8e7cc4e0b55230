import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { bullId, jobKey } from "@toril/contract/engine/redis/names";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";
import { type FinishEvent, toTime } from "./finish-events.ts";
import { readEntry, type StreamRedis } from "@toril/contract/engine/redis/event-stream";
import type { JobError } from "@toril/contract/api/jobs/job";
import type { JobType } from "@toril/contract/api/job-type";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { parseJson, toStorableText } from "@toril/contract/api/json/json";
import type { Redis } from "ioredis";
import { parseResult, parseResultJson } from "@toril/contract/engine/jobs/attempt/parse-result";
import { toJobError } from "@toril/contract/engine/jobs/attempt/job-error";

/** A job that is pending in the ledger and finished in Redis. */
export interface FinishedJob extends Pick<JobColumns, "id" | "generation" | "tenant" | "type"> {
  /** Source of the outcome when the hash was deleted. */
  event?: FinishEvent | undefined;
}

export interface Endings {
  /**
   * Settles jobs with their outcome in Redis, then removes them from Redis.
   * @returns number of settled jobs, without jobs that had already ended or were re-opened
   */
  settle(queue: string, jobs: readonly FinishedJob[]): Promise<number>;
}

export interface EndingsDeps extends EndingSources {
  prefix: string;
  remove: Remove;
  settler: Pick<Settler, "settle">;
}

/** Limits memory: the hashes contain results of any size. */
const maxReadAtOnce = 50;

export function createSettleEnded(deps: EndingsDeps): Endings {
  const { prefix, remove, settler } = deps;
  async function end(job: FinishedJob, ending: Ending | undefined): Promise<number> {
    if (ending === undefined) return 0;
    const error = ending.error && JSON.stringify(ending.error);
    const { status } = await settler.settle({
      ...ending,
      error,
      id: job.id,
      generation: job.generation,
    });
    return status === "already-settled" ? 0 : 1;
  }

  /** The type may have been registered a moment ago. */
  async function findType(tenant: string, type: string): Promise<JobType | undefined> {
    const known = deps.jobTypes.forTenant(tenant).findRecorded(type);
    if (known !== undefined || !(await deps.jobTypes.refresh())) return known;
    return deps.jobTypes.forTenant(tenant).findRecorded(type);
  }

  async function settleOne(queue: string, job: FinishedJob) {
    const { id, generation, tenant, type, event } = job;
    const read = (jobType: JobType | undefined) =>
      readEnding(deps, { prefix, queue, bullId: bullId(id, generation), jobType, event });
    const jobType = await findType(tenant, type);
    const ending = await read(jobType);
    if (ending?.error?.name !== invalidResult || !jobType?.isRegistered) return end(job, ending);
    // The result may fit a version of its type that was registered a moment ago.
    const isFresh = await deps.jobTypes.refresh();
    return end(job, isFresh ? await read(await findType(tenant, type)) : ending);
  }

  return {
    async settle(queue, jobs) {
      let settled = 0;
      for (let start = 0; start < jobs.length; start += maxReadAtOnce) {
        const some = jobs.slice(start, start + maxReadAtOnce);
        settled += sum(await Promise.all(some.map((job) => settleOne(queue, job))));
        const ids = some.map(({ id, generation }) => bullId(id, generation));
        await remove(queue, ids, "settled");
      }
      return settled;
    },
  };
}

function sum(numbers: readonly number[]) {
  return numbers.reduce((total, number) => total + number, 0);
}

const invalidResult = "InvalidResult";
const utf8 = new TextEncoder();

/** A job's outcome according to BullMQ. */
export interface Ending {
  status: "completed" | "dead";
  attempts: number;
  startedAt: Date | undefined;
  durationMs: number | undefined;
  worker: string | null;
  /** JSON text. */
  result: string | null;
  error: JobError | null;
}

export type EndingRedis = Pick<Redis, "hmget" | "exists"> & StreamRedis;

export interface EndingSources {
  redis: EndingRedis;
  jobTypes: JobTypeRegistry;
}

interface EndedJob {
  prefix: string;
  queue: string;
  bullId: string;
  jobType: JobType | undefined;
  event?: FinishEvent | undefined;
}

/**
 * Reads the outcome of a finished job that nobody settled: a stock worker finished the job, or BullMQ failed the job. A
 * result must fit the job type. Without a hash, the outcome comes from `event`. Undefined when neither has an outcome.
 */
async function readEnding(
  { redis }: Pick<EndingSources, "redis">,
  job: EndedJob,
): Promise<Ending | undefined> {
  const key = jobKey(job.prefix, job.queue, job.bullId);
  const [finishedOn, made, failedReason, stacktrace, returnValue, ...more] = await redis.hmget(
    key,
    "finishedOn",
    "atm",
    "failedReason",
    "stacktrace",
    "returnvalue",
    "stc",
    "processedOn",
    "pb",
  );
  if (finishedOn == null) {
    if (job.event === undefined || (await redis.exists(key)) === 1) return undefined;
    return readFromEvent(redis, job, job.event);
  }
  const [stalls, startedOn, worker = null] = more;
  const run = {
    attempts: Number(made ?? 0) + Number(stalls ?? 0),
    startedAt: startedOn == null ? undefined : new Date(Number(startedOn)),
    durationMs: startedOn == null ? undefined : Number(finishedOn) - Number(startedOn),
    worker,
  };
  // A job that failed before it completed keeps its reason; only completion sets a return value.
  return returnValue == null
    ? { ...run, status: "dead", result: null, error: toError(failedReason, stacktrace) }
    : { ...run, ...toResult(job.jobType, toJsonText(returnValue)) };
}

async function readFromEvent(
  redis: StreamRedis,
  { prefix, queue, jobType }: EndedJob,
  { position, attempts, startedAt }: FinishEvent,
): Promise<Ending | undefined> {
  const entry = await readEntry(redis, prefix, queue, position);
  if (entry === undefined) return undefined;
  const durationMs = startedAt && Math.max(0, toTime(position).getTime() - startedAt.getTime());
  const run = { attempts, startedAt, durationMs, worker: null };
  const { returnvalue = "null", failedReason } = entry.fields;
  return entry.event === "completed"
    ? { ...run, ...toResult(jobType, toJsonText(returnvalue)) }
    : { ...run, status: "dead", result: null, error: toError(failedReason, undefined) };
}

function toResult(
  jobType: JobType | undefined,
  text: string,
): Pick<Ending, "status" | "result" | "error"> {
  if (jobType === undefined) return { status: "completed", result: text, error: null };
  const json = parseResultJson(utf8.encode(text));
  const parsed = json.status === "ok" ? parseResult(jobType, json.value) : json;
  if (parsed.status === "ok") return { status: "completed", result: parsed.text, error: null };
  const error = { name: invalidResult, message: parsed.detail };
  return { status: "dead", result: null, error };
}

function toError(failedReason: string | null | undefined, stacktrace: string | null | undefined) {
  const error = new Error(failedReason || "failed without a reason");
  const stack = parseLastStack(stacktrace);
  if (stack === undefined) delete error.stack;
  else error.stack = stack;
  return toJobError(error);
}

/** BullMQ keeps one stack per attempt. */
function parseLastStack(stacktrace: string | null | undefined): string | undefined {
  const stacks = parseJson(utf8.encode(stacktrace ?? ""));
  const last: unknown =
    stacks.status === "ok" && Array.isArray(stacks.value) ? stacks.value.at(-1) : undefined;
  return typeof last === "string" ? last : undefined;
}

/** Workers in other languages may store plain text. */
function toJsonText(returnValue: string): string {
  return parseJson(utf8.encode(returnValue)).status === "malformed"
    ? JSON.stringify(toStorableText(returnValue))
    : returnValue;
}
