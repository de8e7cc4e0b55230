import type { JobRequestAny, JobTemplateAny } from "./api-types.ts";

/** A schema of any library that implements Standard Schema: zod, valibot, arktype and others. Only its types are used. */
export interface TypedSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** A job type, as `defineJob` of `@toril/contract` creates it. The client reads only its name. */
export interface JobType<
  Name extends string = string,
  Data extends TypedSchema = TypedSchema,
  Result extends TypedSchema = TypedSchema,
> {
  readonly type: Name;
  readonly data: Data;
  readonly result: Result;
}

/** Job types of a service. */
export type JobTypes = readonly JobType[];

export type JobTypeName<Types extends JobTypes = JobTypes> = Types[number]["type"];

type SchemaTypes<Schema extends TypedSchema> = NonNullable<Schema["~standard"]["types"]>;

/** The data that a client sends for a job type. */
export type JobInput<Type extends JobType> = SchemaTypes<Type["data"]>["input"];
/** The result of a completed job of a job type. */
export type JobResult<Type extends JobType> = SchemaTypes<Type["result"]>["output"];

/** A request body in which an optional field may also be undefined, and then is not sent. */
export type Sent<Body> = Body extends readonly (infer Item)[]
  ? readonly Sent<Item>[]
  : Body extends object
    ? {
        [Key in keyof Body]: Sent<Body[Key]> | (object extends Pick<Body, Key> ? undefined : never);
      }
    : Body;

/** The options of a job: key, delay, priority, attempts and others. */
export type JobOptions = Sent<Omit<JobRequestAny, "type" | "data">>;

interface TypedRequest<Type extends JobType> extends JobOptions {
  type: Type["type"];
  data: JobInput<Type>;
}

/** An enqueue request: the type determines the type of `data`. */
export type JobRequest<Types extends JobTypes = JobTypes> = {
  [Index in keyof Types]: TypedRequest<Types[Index]>;
}[number];

interface TypedTemplate<Type extends JobType> extends Sent<Omit<JobTemplateAny, "type" | "data">> {
  type: Type["type"];
  data: JobInput<Type>;
}

/** The job of a schedule. */
export type JobTemplate<Types extends JobTypes = JobTypes> = {
  [Index in keyof Types]: TypedTemplate<Types[Index]>;
}[number];
