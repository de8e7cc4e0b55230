import type { z } from "zod";
import type { Backoff, JobOptions, KeyPolicy } from "./job.ts";
import { type FindSecretFields, createFindSecretFields } from "./secret-fields.ts";

/** What a run apart from the consumer may use. */
export interface SandboxLimits {
  /** Of the thread's JavaScript heap. */
  memoryMb: number;
  /** The run is ended then, whatever it does. */
  timeoutMs: number;
}

const defaultSandbox: SandboxLimits = { memoryMb: 256, timeoutMs: 300_000 };

type SandboxOption = true | Partial<SandboxLimits> | undefined;

/** So many jobs may start at once, and so many in a time in the long run. */
export interface KeyRate {
  max: number;
  durationMs: number;
}

export interface JobTypeDefinition<
  Type extends string,
  Data extends z.ZodType,
  Result extends z.ZodType,
  Sandbox extends SandboxOption = SandboxOption,
> {
  /** Also the BullMQ job name, and the name of the handler. */
  type: Type;
  queue: string;
  data: Data;
  result: Result;
  /** The key of a job that was sent without one. What it takes of a secret is replaced by a keyed hash. */
  key?(data: z.output<Data>): string;
  /** Runs in all; 3 by default. */
  attempts?: number;
  /** Exponential from 1 s by default: 1 s, 2 s, 4 s. */
  backoff?: Backoff;
  /** What a second job with the same key comes to; by default a duplicate while the first is pending. */
  keyPolicy?: KeyPolicy;
  /** 1 first; jobs without one before all. */
  priority?: number;
  order?: "lifo";
  /** What one run may take. */
  timeoutMs?: number;
  /** From when a job was accepted, or is due, until it expires without having been started. */
  expiresInMs?: number;
  /**
   * Per what `by` makes of the data, all consumers together: jobs over the rate wait for their turn, which uses up none
   * of their attempts. Not of a secret: a hash of it stands in Redis. `WORKER_KEY_RATE_LIMITS` changes the rate.
   */
  rateLimit?: KeyRate & { by(data: z.output<Data>): string };
  /** Fields of the data, texts, numbers or booleans, by whose values jobs can be found. */
  searchable?: readonly string[];
  /**
   * How a row of an imported file becomes data. Without it, columns are the fields of the schema: numbers and
   * booleans are read where the schema asks for them, and an empty cell of an optional field is left out.
   */
  fromRow?(row: ImportedRow): unknown;
  /** For handlers that compute: each run has a thread of its own; `true` for 256 MB and 5 minutes. */
  sandbox?: Sandbox;
}

export interface ImportedRow {
  importId: string;
  /** 1 for the first row below the header. */
  row: number;
  values: Record<string, string>;
}

export type JobType<
  Type extends string = string,
  Data extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
  Sandbox extends SandboxOption = SandboxOption,
> = Omit<
  JobTypeDefinition<Type, Data, Result>,
  "attempts" | "backoff" | "priority" | "order" | "timeoutMs" | "sandbox"
> & {
  /** Of a job that asked for nothing else. */
  options: JobOptions;
  /** Undefined when no field of the data is secret. */
  findSecrets: FindSecretFields | undefined;
  sandbox: Sandbox extends undefined ? undefined : SandboxLimits;
};

/**
 * Declares a job type. Its name and schemas are what clients see in openapi.yaml, what is checked at the door,
 * and what its handler in the consumer is typed by.
 */
export function defineJob<
  Type extends string,
  Data extends z.ZodType,
  Result extends z.ZodType,
  Sandbox extends SandboxOption = undefined,
>(
  definition: JobTypeDefinition<Type, Data, Result, Sandbox>,
): JobType<Type, Data, Result, Sandbox> {
  const {
    attempts = 3,
    backoff = { type: "exponential", delay: 1000 },
    priority,
    order,
    timeoutMs,
    sandbox,
    ...rest
  } = definition;
  const options = {
    attempts,
    backoff,
    ...(priority === undefined ? {} : { priority }),
    ...(order === undefined ? {} : { order }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  const data = named(rest.data, rest.type);
  const findSecrets = createFindSecretFields(data);
  return { ...rest, data, options, findSecrets, sandbox: limitsOf(sandbox) };
}

/** Gives data without an id one after its type, `OrderMailData` for `order.mail`: clients name their types after it. */
function named<Data extends z.ZodType>(data: Data, type: string): Data {
  if (data.meta()?.id !== undefined) return data;
  const words = type
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return data.meta({ ...data.meta(), id: `${words.join("")}Data` });
}

/** Sound because it is undefined for undefined alone. */
function limitsOf<Sandbox extends SandboxOption>(sandbox: Sandbox | undefined) {
  const asked: Partial<SandboxLimits> | undefined = sandbox === true ? {} : sandbox;
  return (asked && { ...defaultSandbox, ...asked }) as JobType<
    string,
    z.ZodType,
    z.ZodType,
    Sandbox
  >["sandbox"];
}
