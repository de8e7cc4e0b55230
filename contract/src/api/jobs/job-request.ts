import { z } from "zod";
import { requestOptions, templateOptions } from "./job-options.ts";
import type { JobType, JobTypes } from "../job-type.ts";

type RequestOptions = z.input<z.ZodObject<typeof requestOptions>>;

export interface TypedRequest<Type extends JobType> extends RequestOptions {
  type: Type["type"];
  data: z.input<Type["data"]>;
}

/** An enqueue request: the type determines the schema of `data`. */
export type JobRequest<Types extends JobTypes = JobTypes> = {
  [Index in keyof Types]: TypedRequest<Types[Index]>;
}[number];

type TemplateOptions = z.input<z.ZodObject<typeof templateOptions>>;

export interface TypedTemplate<Type extends JobType> extends TemplateOptions {
  type: Type["type"];
  data: z.input<Type["data"]>;
}

/** The job of a schedule. */
export type JobTemplate<Types extends JobTypes = JobTypes> = {
  [Index in keyof Types]: TypedTemplate<Types[Index]>;
}[number];

/** Creates the schemas of job types, queues, enqueue requests and the jobs of schedules. */
export function createJobSchemas(types: JobTypes, deletedNames: readonly string[]) {
  const example = findExample(types);
  const meta = example === undefined ? {} : { example };
  return {
    JobTypeName: createNameSchema([...types.map(({ type }) => type), ...deletedNames]),
    QueueName: createNameSchema(types.map(({ queue }) => queue)),
    JobRequest: oneOf<JobRequest>(types.map(createJobRequestSchema)).meta({
      id: "JobRequest",
      ...meta,
    }),
    JobTemplate: oneOf<JobTemplate>(types.map(createTemplateSchema)).meta({
      id: "JobTemplate",
      ...meta,
    }),
    /** An enqueue request for the documentation; undefined if no job type has an example. */
    example,
  };
}

/** Creates the schema of an enqueue request of one job type. */
export function createJobRequestSchema({ type, data }: Pick<JobType, "type" | "data">) {
  return z
    .strictObject({ type: z.literal(type), data, ...requestOptions })
    .meta({ id: `JobRequest.${type}` });
}

function createTemplateSchema({ type, data }: JobType) {
  return z
    .strictObject({ type: z.literal(type), data, ...templateOptions })
    .meta({ id: `JobTemplate.${type}` });
}

/** Returns the example of the first job type that has one, as an enqueue request. */
function findExample(types: JobTypes) {
  const jobType = types.find(({ data }) => data.meta()?.["example"] !== undefined);
  return jobType && { type: jobType.type, data: jobType.data.meta()?.["example"] };
}

/** A name that is documented as a string, because the names depend on the service. */
function createNameSchema(names: readonly string[]) {
  const known = new Set(names);
  const error = `Invalid option: expected one of ${[...known].map((name) => `"${name}"`).join("|")}`;
  return z.string().refine((name) => known.has(name), { error });
}

/** Sound because there is exactly one variant per job type. */
function oneOf<Request>(variants: z.ZodObject<{ type: z.ZodLiteral<string> }>[]) {
  const [first, ...others] = variants;
  if (first === undefined) throw new Error("there is no job type");
  return z.discriminatedUnion("type", [first, ...others]) as unknown as z.ZodType<Request>;
}
