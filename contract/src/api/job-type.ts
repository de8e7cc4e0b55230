import type { z } from "zod";
import type { Backoff, JobOptions, KeyPolicy } from "./jobs/job-options.ts";
import { type FindSecretFields, createFindSecretFields } from "./job-data/secret-fields.ts";

/** Limits of an attempt in the sandbox. */
export interface SandboxLimits {
  /** Maximum JavaScript heap of the worker thread, in MB. */
  memoryMb: number;
  /** The attempt is terminated after this time. */
  timeoutMs: number;
}

const defaultSandbox: SandboxLimits = { memoryMb: 256, timeoutMs: 300_000 };

/** Options of jobs, unless the job type or the request sets others. */
export const defaultJobOptions: JobOptions = {
  attempts: 3,
  backoff: { type: "exponential", delay: 1000 },
};

type SandboxOption = true | Partial<SandboxLimits> | undefined;

/**
 * Who processes the jobs of a type: a handler of the consumer, workers that take jobs over HTTP (`pull`), an HTTP endpoint
 * that receives them (`push`), or workers of BullMQ (`bullmq`).
 */
export const workerKinds = ["handler", "pull", "push", "bullmq"] as const;
export type WorkerKind = (typeof workerKinds)[number];

/** Token bucket: `max` jobs may start at once, and `max` per `durationMs` on average. */
export interface KeyRate {
  max: number;
  durationMs: number;
}

export interface JobTypeDefinition<
  Type extends string,
  Data extends z.ZodType,
  Result extends z.ZodType,
  Sandbox extends SandboxOption = SandboxOption,
  Worker extends WorkerKind = WorkerKind,
> {
  /** Also the BullMQ job name, and the name of the handler. */
  type: Type;
  queue: string;
  data: Data;
  result: Result;
  /**
   * Derives the key of a job that was enqueued without one; undefined for a job without a key. Parts taken from a secret
   * are replaced by a keyed hash.
   */
  key?(data: z.output<Data>): string | undefined;
  /** Maximum number of attempts; 3 by default. */
  attempts?: number;
  /** Delay between attempts; exponential from 1 s by default: 1 s, 2 s, 4 s. */
  backoff?: Backoff;
  /** How a second job with the same key is handled; by default it is a duplicate while the first is pending. */
  keyPolicy?: KeyPolicy;
  /** 1 is the highest priority; jobs without a priority run before all prioritized jobs. */
  priority?: number;
  order?: "lifo";
  /** Maximum duration of one attempt. */
  timeoutMs?: number;
  /** Time after acceptance, or after the due time, when a job that was not started expires. */
  expiresInMs?: number;
  /**
   * Rate limit per value of `by`, across all consumers. Jobs over the limit are delayed, which does not count as an attempt.
   * Do not derive `by` from a secret, because its hash is stored in Redis. `WORKER_KEY_RATE_LIMITS` overrides the rate.
   */
  rateLimit?: KeyRate & { by(data: z.output<Data>): string };
  /** Searchable fields of the data: strings, numbers or booleans; `customer.id` is a field of a field. */
  searchable?: readonly string[];
  /**
   * Converts a row of an imported file to data. By default columns are mapped to the fields of the schema: numbers and
   * booleans are parsed where the schema requires them, and an empty cell of an optional field is omitted.
   */
  fromRow?(row: ImportedRow): unknown;
  /** For CPU-bound handlers: each attempt runs in its own worker thread; `true` for 256 MB and 5 minutes. */
  sandbox?: Sandbox;
  /** Who processes the jobs; `handler` by default. All types of a queue have the same kind of worker. */
  worker?: Worker;
}

export interface ImportedRow {
  importId: string;
  /** Row number, 1 for the first row after the header. */
  row: number;
  values: Record<string, string>;
}

export type JobType<
  Type extends string = string,
  Data extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
  Sandbox extends SandboxOption = SandboxOption,
  Worker extends WorkerKind = WorkerKind,
> = Omit<
  JobTypeDefinition<Type, Data, Result>,
  "attempts" | "backoff" | "priority" | "order" | "timeoutMs" | "sandbox" | "worker"
> & {
  /** The default options of a job. */
  options: JobOptions;
  /** The options that the definition names; those that it leaves out may be changed by `applyDefaults`. */
  definedOptions: Partial<JobOptions>;
  /** Finds the secret fields of data; undefined if the type has none. */
  findSecrets: FindSecretFields | undefined;
  sandbox: Sandbox extends undefined ? undefined : SandboxLimits;
  worker: Worker;
  /** Registered over HTTP, so that processes may know different versions of it for a moment. */
  isRegistered?: true;
};

/** Job types of a service. */
export type JobTypes = readonly JobType[];

/** The data that a handler of a job type receives. */
export type JobData<Type extends JobType> = z.output<Type["data"]>;
export type JobResult<Type extends JobType> = z.output<Type["result"]>;

/**
 * Defines a job type. Its name and schemas are documented in openapi.yaml, validate requests in the producer, and type
 * the handler in the consumer.
 * @throws if the kind of worker does not support an option: a sandbox needs a handler, stock BullMQ workers apply
 * neither rate limits nor timeouts, and a push endpoint is registered over HTTP
 */
export function defineJob<
  Type extends string,
  Data extends z.ZodType,
  Result extends z.ZodType,
  Sandbox extends SandboxOption = undefined,
  const Worker extends Exclude<WorkerKind, "push"> = "handler",
>(
  definition: JobTypeDefinition<Type, Data, Result, Sandbox, Worker>,
): JobType<Type, Data, Result, Sandbox, Worker> {
  const {
    attempts,
    backoff,
    priority,
    order,
    timeoutMs,
    sandbox,
    // Sound because `Worker` is inferred as "handler" only for a definition without a worker or with this one.
    worker = "handler" as Worker,
    ...rest
  } = definition;
  if ((worker as WorkerKind) === "push") {
    throw new Error(
      `the job type ${rest.type} has the worker push, whose endpoint is registered with PUT /v1/job-types/${rest.type}`,
    );
  }
  if (sandbox !== undefined && worker !== "handler") {
    throw new Error(`the job type ${rest.type} has a sandbox, which only a handler can have`);
  }
  if (worker === "bullmq") {
    const unsupported = Object.entries({ rateLimit: rest.rateLimit, timeoutMs });
    const named = unsupported.find(([, value]) => value !== undefined)?.[0];
    if (named !== undefined) {
      throw new Error(
        `the job type ${rest.type} has a ${named}, which stock BullMQ workers do not apply`,
      );
    }
  }
  const definedOptions = {
    ...(attempts === undefined ? {} : { attempts }),
    ...(backoff === undefined ? {} : { backoff }),
    ...(priority === undefined ? {} : { priority }),
    ...(order === undefined ? {} : { order }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  const options = { ...defaultJobOptions, ...definedOptions };
  const data = named(rest.data, rest.type);
  const findSecrets = createFindSecretFields(data);
  return {
    ...rest,
    data,
    options,
    definedOptions,
    findSecrets,
    sandbox: getLimits(sandbox),
    worker,
  };
}

/** Options of job types that do not define them. */
export type JobTypeDefaults = Pick<
  JobTypeDefinition<string, z.ZodType, z.ZodType>,
  "attempts" | "backoff" | "keyPolicy" | "priority" | "order" | "timeoutMs" | "expiresInMs"
>;

/** Returns the job type with defaults for the options that its definition leaves out. */
export function applyDefaults<Type extends JobType>(
  jobType: Type,
  { keyPolicy, expiresInMs, ...defaults }: JobTypeDefaults,
): Type {
  return {
    ...jobType,
    options: { ...defaultJobOptions, ...defaults, ...jobType.definedOptions },
    ...(keyPolicy === undefined ? {} : { keyPolicy: jobType.keyPolicy ?? keyPolicy }),
    ...(expiresInMs === undefined ? {} : { expiresInMs: jobType.expiresInMs ?? expiresInMs }),
  };
}

/**
 * Gives a data schema without an ID one derived from its type: `OrderMailData` for `order.mail`. Generated clients use
 * it as type name.
 */
function named<Data extends z.ZodType>(data: Data, type: string): Data {
  if (data.meta()?.id !== undefined) return data;
  const words = type
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return data.meta({ ...data.meta(), id: `${words.join("")}Data` });
}

/** Sound because the result is undefined only for undefined. */
function getLimits<Sandbox extends SandboxOption>(sandbox: Sandbox | undefined) {
  const requested: Partial<SandboxLimits> | undefined = sandbox === true ? {} : sandbox;
  return (requested && { ...defaultSandbox, ...requested }) as JobType<
    string,
    z.ZodType,
    z.ZodType,
    Sandbox
  >["sandbox"];
}
