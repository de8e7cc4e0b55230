import type { z } from "zod";
import type { Backoff, JobOptions, KeyPolicy } from "./job.ts";
import { type FindSecrets, findSecretsOf } from "./secret/find-secrets.ts";

export interface JobTypeDefinition<
  Type extends string,
  Data extends z.ZodType,
  Result extends z.ZodType,
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
  /** Fields of the data, texts, numbers or booleans, by whose values jobs can be found. */
  searchable?: readonly string[];
  /**
   * How a row of an imported file becomes data. Without it, columns are the fields of the schema: numbers and
   * booleans are read where the schema asks for them, and an empty cell of an optional field is left out.
   */
  fromRow?(row: ImportedRow): unknown;
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
> = Omit<
  JobTypeDefinition<Type, Data, Result>,
  "attempts" | "backoff" | "priority" | "order" | "timeoutMs"
> & {
  /** Of a job that asked for nothing else. */
  options: JobOptions;
  /** Undefined when no field of the data is secret. */
  findSecrets: FindSecrets | undefined;
};

/**
 * Declares a job type. Its name and schemas are what clients see in openapi.yaml, what is checked at the door,
 * and what its handler in the consumer is typed by.
 */
export function defineJob<Type extends string, Data extends z.ZodType, Result extends z.ZodType>(
  definition: JobTypeDefinition<Type, Data, Result>,
): JobType<Type, Data, Result> {
  const {
    attempts = 3,
    backoff = { type: "exponential", delay: 1000 },
    priority,
    order,
    timeoutMs,
    ...rest
  } = definition;
  const options = {
    attempts,
    backoff,
    ...(priority === undefined ? {} : { priority }),
    ...(order === undefined ? {} : { order }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  const findSecrets = findSecretsOf(rest.data);
  return { ...rest, options, findSecrets };
}
