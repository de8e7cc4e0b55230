import { z } from "zod";
import { requestOptions } from "../job.ts";
import type { JobType, SandboxLimits } from "../job-type.ts";
import { echo } from "./echo.ts";
import { feedFetch } from "./feed-fetch.ts";
import { feedItem } from "./feed-item.ts";
import { importStats } from "./import-stats.ts";
import { rowImport } from "./row-import.ts";

/** All job types. To add one, add a file to this folder, a line here and a handler in the consumer. */
const registry = [echo, rowImport, importStats, feedItem, feedFetch] as const;

type Registered = (typeof registry)[number];
export type JobTypeName = Registered["type"];
type Named<Name extends JobTypeName> = Extract<Registered, { type: Name }>;
export type DataOf<Name extends JobTypeName> = z.output<Named<Name>["data"]>;
export type ResultOf<Name extends JobTypeName> = z.output<Named<Name>["result"]>;

/** Types whose handlers run in the sandbox. */
export type SandboxedTypeName = Extract<Registered, { sandbox: SandboxLimits }>["type"];

const byName: ReadonlyMap<string, Registered> = new Map(registry.map((job) => [job.type, job]));

export const jobTypeNames = registry.map((job) => job.type);
export const queueNames = [...new Set(registry.map((job) => job.queue))];
/** The searchable fields of all job types. */
export const searchableFields = [
  ...new Set(registry.flatMap((job: Pick<JobType, "searchable">) => job.searchable ?? [])),
];
/** Queues with job types whose data may contain secrets. */
export const secretQueueNames: ReadonlySet<string> = new Set(
  registry.filter((job) => job.findSecrets !== undefined).map((job) => job.queue),
);

export const sandboxedTypes = registry.flatMap(({ type, sandbox }) =>
  sandbox === undefined ? [] : [{ type, limits: sandbox }],
);

export function findJobType(name: string): JobType<JobTypeName> | undefined {
  return byName.get(name);
}

export function typesOf(queue: string): string[] {
  return registry.filter((job) => job.queue === queue).map((job) => job.type);
}

/** Returns the queue of a job type; an empty string for an unknown type. */
export function queueOf(type: string): string {
  return byName.get(type)?.queue ?? "";
}

/** Returns the job types of a queue. */
export function typesIn(queue: string): string[] {
  return registry.filter((job) => job.queue === queue).map((job) => job.type);
}

type RequestOptions = z.input<z.ZodObject<typeof requestOptions>>;

interface RequestOf<Name extends JobTypeName> extends RequestOptions {
  type: Name;
  data: z.input<Named<Name>["data"]>;
}

/** An enqueue request: the type determines the schema of `data`. */
export type JobRequest = { [Name in JobTypeName]: RequestOf<Name> }[JobTypeName];

/** Sound because `variants` holds exactly one object schema per registered type. */
function asRequestSchema(schema: z.ZodType): z.ZodType<JobRequest> {
  return schema as z.ZodType<JobRequest>;
}

/** Builds the schema of an enqueue request of one job type. */
export function requestSchemaOf({ type, data }: Pick<JobType, "type" | "data">) {
  return z
    .strictObject({ type: z.literal(type), data, ...requestOptions })
    .meta({ id: `JobRequest.${type}` });
}

const variants = registry.map(requestSchemaOf);

export const JobRequest = asRequestSchema(
  z
    .discriminatedUnion("type", variants as [(typeof variants)[0], ...typeof variants])
    .meta({ id: "JobRequest", example: { type: "echo", data: { message: "hello" } } }),
);

/** Fixed times, which the job of a schedule cannot have. */
const { delayMs: _, runAt: __, expiresAt: ___, ...templateOptions } = requestOptions;

type TemplateOptions = z.input<z.ZodObject<typeof templateOptions>>;

interface TemplateOf<Name extends JobTypeName> extends TemplateOptions {
  type: Name;
  data: z.input<Named<Name>["data"]>;
}

/** The job of a schedule. */
export type JobTemplate = { [Name in JobTypeName]: TemplateOf<Name> }[JobTypeName];

/** Sound for the same reason as `asRequestSchema`. */
function asTemplateSchema(schema: z.ZodType): z.ZodType<JobTemplate> {
  return schema as z.ZodType<JobTemplate>;
}

const templates = registry.map((job) =>
  z
    .strictObject({ type: z.literal(job.type), data: job.data, ...templateOptions })
    .meta({ id: `JobTemplate.${job.type}` }),
);

export const JobTemplate = asTemplateSchema(
  z
    .discriminatedUnion("type", templates as [(typeof templates)[0], ...typeof templates])
    .meta({ id: "JobTemplate", example: { type: "echo", data: { message: "hello" } } }),
);
