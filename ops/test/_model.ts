import { TorilError } from "@toril/client";
import type { FinalStatus } from "@toril/contract/api/job-states";
import { bullId, epochKey, jobKey, queueKeys } from "@toril/contract/engine/redis/names";
import { type ProblemKind, problemType } from "@toril/contract/api/problem";
import fc from "fast-check";

import type { Stack } from "./_stack.ts";

/** State that a job reaches without further actions. */
type Rest = "waits" | "delayed" | "runs" | FinalStatus;
type Policy = "pending" | "once" | "replace";

interface Options {
  isDelayed: boolean;
  /** Active until it is cancelled. */
  isLong: boolean;
  failures: number;
  attempts: number;
  key: string | undefined;
  policy: Policy;
  priority: number | undefined;
  isLifo: boolean;
}

interface ModelJob extends Options {
  id: string;
  rest: Rest;
  generation: number;
  endings: number;
}

const { MODEL_RUNS = "15", MODEL_SEED } = process.env;

/** MODEL_RUNS sets the number of sequences, MODEL_SEED repeats a run. */
export const hunt = {
  numRuns: Number(MODEL_RUNS),
  ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
};

/** Expected state of the jobs of a stack. */
export interface Model {
  isPaused: boolean;
  jobs: ModelJob[];
  /** The job that holds the deduplication window of a key. */
  windows: Map<string, ModelJob>;
}

/** A stack, and a name that makes keys and labels unique per sequence. */
export interface Real {
  stack: Stack;
  sequence: string;
}

type Command = fc.AsyncCommand<Model, Real>;

const hour = 3_600_000;
const pendingRests: ReadonlySet<Rest> = new Set(["waits", "delayed", "runs"]);

const isPending = (job: ModelJob) => pendingRests.has(job.rest);

function begin(model: Model, job: ModelJob) {
  if (model.isPaused) job.rest = "waits";
  else if (job.isLong) job.rest = "runs";
  else end(job, job.failures >= job.attempts ? "dead" : "completed");
}

function end(job: ModelJob, rest: Rest) {
  job.rest = rest;
  job.endings += 1;
}

function retry(model: Model, job: ModelJob) {
  job.generation += 1;
  begin(model, job);
}

function findHolder(model: Model, key: string | undefined) {
  return key === undefined
    ? undefined
    : model.jobs.find((job) => job.key === key && isPending(job));
}

/** Returns the problem type of a call; undefined if it succeeds. */
async function toProblem(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof TorilError) return error.problem.type;
    throw error;
  }
}

async function expectProblem(call: Promise<unknown>, kind: ProblemKind | undefined) {
  const found = await toProblem(call);
  const expected = kind === undefined ? undefined : problemType(kind);
  if (found !== expected) throw new Error(`answered ${found ?? "2xx"}, not ${expected ?? "2xx"}`);
}

class Create implements Command {
  readonly options: Options;

  constructor(options: Options) {
    this.options = options;
  }

  check = () => true;

  async run(model: Model, { stack, sequence }: Real) {
    const { isDelayed, isLong, failures, attempts, policy, priority } = this.options;
    const isLifo = this.options.isLifo && !isDelayed && priority === undefined;
    const key = this.options.key && `${this.options.key} of ${sequence}`;
    const taken = policy === "once" && key ? model.windows.get(key) : undefined;
    const existing = findHolder(model, key);
    const isReplaced = existing !== undefined && policy === "replace" && existing.rest !== "runs";
    const duplicated = taken ?? (isReplaced ? undefined : existing);

    const answer = await stack.client.createJob({
      type: "echo",
      data: { message: "m", failures, ...(isLong ? { sleepMs: 300_000 } : {}) },
      attempts,
      backoff: { type: "fixed", delay: 1 },
      labels: [sequence],
      ...(isDelayed ? { delayMs: hour } : {}),
      ...(priority === undefined ? {} : { priority }),
      ...(isLifo ? { order: "lifo" as const } : {}),
      ...(key === undefined ? {} : { key, keyPolicy: toPolicy(policy) }),
    });

    const received = [answer.outcome, answer.replaced];
    const expected = duplicated
      ? ["duplicate", undefined]
      : ["created", isReplaced ? existing.id : undefined];
    if (JSON.stringify(received) !== JSON.stringify(expected)) {
      throw new Error(`answered ${JSON.stringify(received)}, not ${JSON.stringify(expected)}`);
    }
    if (duplicated !== undefined) {
      if (answer.id !== duplicated.id) throw new Error("a duplicate of another job");
      return await agree(model, stack);
    }
    if (isReplaced) end(existing, "cancelled");
    const job: ModelJob = {
      ...this.options,
      key,
      id: answer.id,
      rest: "delayed",
      generation: 0,
      endings: 0,
    };
    model.jobs.push(job);
    if (policy === "once" && key !== undefined) model.windows.set(key, job);
    if (!isDelayed) begin(model, job);
    await agree(model, stack);
  }

  toString = () => `create ${JSON.stringify(this.options)}`;
}

function toPolicy(policy: Policy) {
  return policy === "once" ? { type: policy, windowMs: hour } : { type: policy };
}

/** An action on one job. */
abstract class OnOne implements Command {
  readonly at: number;

  constructor(at: number) {
    this.at = at;
  }

  check = (model: Readonly<Model>) => model.jobs.length > 0;

  async run(model: Model, { stack }: Real) {
    const job = model.jobs[this.at % model.jobs.length];
    if (job === undefined) return;
    await this.apply(model, job, stack);
    await agree(model, stack);
  }

  protected abstract apply(model: Model, job: ModelJob, stack: Stack): Promise<void>;

  toString = () => `${this.constructor.name} ${this.at}`;
}

class Cancel extends OnOne {
  protected async apply(_: Model, job: ModelJob, { client }: Stack) {
    const isAllowed = isPending(job) || job.rest === "cancelled";
    await expectProblem(client.cancelJob(job.id), isAllowed ? undefined : "job-ended");
    if (isPending(job)) end(job, "cancelled");
  }
}

class Retry extends OnOne {
  protected async apply(model: Model, job: ModelJob, { client }: Stack) {
    const again = client.retryJob(job.id);
    if (isPending(job)) return expectProblem(again, "job-pending");
    if (findHolder(model, job.key)) return expectProblem(again, "key-taken");
    await expectProblem(again, undefined);
    retry(model, job);
  }
}

class Redrive extends OnOne {
  protected async apply(model: Model, job: ModelJob, { client }: Stack) {
    const again = client.redriveDeadLetter(job.id);
    if (job.rest !== "dead") return expectProblem(again, "dead-letter-not-found");
    if (findHolder(model, job.key)) return expectProblem(again, "key-taken");
    await expectProblem(again, undefined);
    retry(model, job);
  }
}

class Promote extends OnOne {
  protected async apply(model: Model, job: ModelJob, { client }: Stack) {
    const promoted = client.promoteJob(job.id);
    if (!isPending(job)) return expectProblem(promoted, "job-ended");
    if (job.rest === "runs") return expectProblem(promoted, "job-active");
    if (job.rest === "waits") return expectProblem(promoted, "job-not-delayed");
    await expectProblem(promoted, undefined);
    begin(model, job);
  }
}

class Change extends OnOne {
  readonly isDelayed: boolean | undefined;
  readonly priority: number | null;

  constructor(at: number, isDelayed: boolean | undefined, priority: number | null) {
    super(at);
    this.isDelayed = isDelayed;
    this.priority = priority;
  }

  protected async apply(model: Model, job: ModelJob, { client }: Stack) {
    const { priority, isDelayed } = this;
    const delay = isDelayed === undefined ? {} : { delayMs: isDelayed ? hour : 0 };
    if (isPending(job)) {
      const stale = client.changeJob(job.id, '"as-it-never-was"', { priority, ...delay });
      await expectProblem(stale, "precondition-failed");
    }
    const changed = client.changeJob(job.id, "*", { priority, ...delay });
    if (!isPending(job)) return expectProblem(changed, "job-ended");
    if (job.rest === "runs") return expectProblem(changed, "job-active");
    await expectProblem(changed, undefined);
    job.priority = priority ?? undefined;
    if (isDelayed === true) job.rest = "delayed";
    if (isDelayed === false && job.rest === "delayed") begin(model, job);
  }

  override toString = () => `Change ${this.at} ${this.isDelayed} ${this.priority}`;
}

/** An action on all jobs. */
class OnAll implements Command {
  readonly name: string;
  readonly check: (model: Readonly<Model>) => boolean;
  readonly #apply: (model: Model, real: Real) => Promise<void>;

  constructor(
    name: string,
    apply: (model: Model, real: Real) => Promise<void>,
    check: (model: Readonly<Model>) => boolean = () => true,
  ) {
    this.name = name;
    this.#apply = apply;
    this.check = check;
  }

  async run(model: Model, real: Real) {
    await this.#apply(model, real);
    await agree(model, real.stack);
  }

  toString = () => this.name;
}

const pause = new OnAll(
  "pause",
  async (model, { stack }) => {
    await stack.client.pauseQueue("default");
    model.isPaused = true;
  },
  (model) => !model.isPaused,
);

export async function resumeAll(model: Model, { client }: Stack): Promise<void> {
  await client.resumeQueue("default");
  model.isPaused = false;
  for (const job of model.jobs) if (job.rest === "waits") begin(model, job);
}

export async function cancelAll(model: Model, stack: Stack): Promise<void> {
  for (const job of model.jobs.filter(isPending)) {
    await stack.client.cancelJob(job.id);
    end(job, "cancelled");
  }
  await agree(model, stack);
}

const expire = new OnAll(
  "create one that expires",
  async (model, { stack, sequence }) => {
    const expiresAt = new Date(Date.now() + 300).toISOString();
    const data = { message: "m" };
    const labels = [sequence];
    const { id } = await stack.client.createJob({ type: "echo", data, expiresAt, labels });
    const plain = { isDelayed: false, isLong: false, failures: 0, attempts: 3, isLifo: false };
    const unkeyed = { key: undefined, policy: "pending", priority: undefined } as const;
    const job: ModelJob = { ...plain, ...unkeyed, id, rest: "waits", generation: 0, endings: 0 };
    end(job, "expired");
    model.jobs.push(job);
  },
  (model) => model.isPaused,
);

const redriveAll = new OnAll("redrive all", async (model, { stack, sequence }) => {
  const { client } = stack;
  const filter = { status: "dead" as const, label: sequence };
  const { id } = await client.createOperation({ action: "retry", filter });
  await stack.until("the operation is done", async () => {
    return (await client.getOperation(id)).status === "done" || undefined;
  });
  const dead = model.jobs.filter((job) => job.rest === "dead");
  const free = dead.filter((job) => findHolder(model, job.key) === undefined);
  const isNewest = (job: ModelJob) =>
    job.key === undefined || free.findLast((other) => other.key === job.key) === job;
  for (const job of free.filter(isNewest)) retry(model, job);
});

const flush = new OnAll("FLUSHALL", async (model, { stack: { redisClient, until } }) => {
  await redisClient.flushall();
  // Until consumers detect the flush, a paused queue is not paused.
  await until("the flush is noticed", async () => {
    const { meta } = queueKeys("bull", "default");
    const isNoticed = (await redisClient.exists(epochKey("bull", "default"))) === 1;
    const isPaused = (await redisClient.hexists(meta, "paused")) === 1;
    return (isNoticed && isPaused === model.isPaused) || undefined;
  });
  // The active jobs lost their locks, and their re-dispatched attempts wait in the paused queue.
  if (model.isPaused) for (const job of running(model)) job.rest = "waits";
});

const kill = new OnAll(
  "kill -9 of the consumer",
  async (model, { stack }) => {
    const { redisClient, until } = stack;
    const [consumer] = stack.consumers;
    const keys = running(model).map((job) =>
      jobKey("bull", "default", bullId(job.id, job.generation)),
    );
    const stalls = () => Promise.all(keys.map((key) => redisClient.hget(key, "stc")));
    const before = await stalls();
    await consumer?.kill("SIGKILL");
    await consumer?.restart();
    await until("what ran has stalled", async () => {
      const now = await stalls();
      return now.every((count, at) => Number(count) > Number(before[at])) || undefined;
    });
  },
  // BullMQ puts stalled jobs into the list of a paused queue regardless of their priority.
  (model) => !model.isPaused || running(model).length === 0,
);

function running({ jobs }: Readonly<Model>) {
  return jobs.filter((job) => job.rest === "runs");
}

/** Waits until ledger and Redis match the model, with every job in exactly one list. */
export async function agree(model: Model, stack: Stack): Promise<void> {
  let difference = "";
  try {
    await stack.until("the stores match the model", async () => {
      difference = await findDifference(model, stack);
      return difference === "" || undefined;
    });
  } catch (error) {
    throw new Error(difference, { cause: error });
  }
}

async function findDifference({ jobs }: Model, { sql, redisClient }: Stack): Promise<string> {
  const ids = jobs.map(({ id }) => id);
  const rows = await sql<{ id: string; text: string }[]>`
    select id, concat_ws(' ', status, generation, coalesce(jsonb_array_length(history), 0),
        case when status in ('completed', 'dead') then attempts end,
        (select count(*) from test_endings where job_id = jobs.id)) as text
    from jobs where id = any(${ids}::uuid[]) or status = 'pending'`;
  const expected = new Map(jobs.map((job) => [job.id, toRow(job)]));
  for (const { id, text } of rows) {
    if (expected.get(id) !== text) return `${id} is ${text}, not ${expected.get(id)}`;
    expected.delete(id);
  }
  if (expected.size > 0) return `${[...expected.keys()].join()} not in the ledger`;

  const { wait, active, delayed, prioritized, paused } = queueKeys("bull", "default");
  const lists = { wait, active, paused };
  const sets = { delayed, prioritized };
  const places: string[] = [];
  for (const [name, key] of Object.entries(lists)) {
    for (const id of await redisClient.lrange(key, 0, "-1")) places.push(`${id} ${name}`);
  }
  for (const [name, key] of Object.entries(sets)) {
    for (const id of await redisClient.zrange(key, 0, "-1")) places.push(`${id} ${name}`);
  }
  const wanted = jobs.flatMap(toSealContext).toSorted().join("\n");
  const found = places.toSorted().join("\n");
  return found === wanted ? "" : `in Redis:\n${found}\nnot\n${wanted}`;
}

function toRow({ rest, generation, endings, failures, attempts }: ModelJob): string {
  const status = pendingRests.has(rest) ? "pending" : rest;
  const made = Math.min(failures + 1, attempts);
  const hasRun = rest === "completed" || rest === "dead";
  return [status, generation, generation, ...(hasRun ? [made] : []), endings].join(" ");
}

function toSealContext(job: ModelJob): string[] {
  const id = bullId(job.id, job.generation);
  if (job.rest === "delayed") return [`${id} delayed`];
  if (job.rest === "runs") return [`${id} active`];
  if (job.rest !== "waits") return [];
  return [`${id} ${job.priority === undefined ? "wait" : "prioritized"}`];
}

const anyJob = fc.nat({ max: 1000 });

/** Random sequences of client requests and faults. */
export function sequences(most: number): fc.Arbitrary<Iterable<Command>> {
  const options = fc.record({
    isDelayed: fc.boolean(),
    isLong: fc.boolean(),
    failures: fc.nat({ max: 2 }),
    attempts: fc.integer({ min: 1, max: 3 }),
    key: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
    policy: fc.constantFrom<Policy>("pending", "once", "replace"),
    priority: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    isLifo: fc.boolean(),
  });
  const isDelayed = fc.option(fc.boolean(), { nil: undefined });
  const priority = fc.option(fc.integer({ min: 1, max: 3 }));
  const resume = new OnAll(
    "resume",
    (model, { stack }) => resumeAll(model, stack),
    (model) => model.isPaused,
  );
  const create = options.map((input) => new Create(input));
  const commands: fc.Arbitrary<Command>[] = [
    create,
    create,
    create,
    anyJob.map((at) => new Cancel(at)),
    anyJob.map((at) => new Retry(at)),
    anyJob.map((at) => new Redrive(at)),
    anyJob.map((at) => new Promote(at)),
    fc.tuple(anyJob, isDelayed, priority).map((input) => new Change(...input)),
    fc.constantFrom<Command>(pause, resume, expire, redriveAll),
    fc.constantFrom<Command>(pause, resume, flush, kill),
  ];
  return fc.commands(commands, { maxCommands: most, size: "max" });
}
