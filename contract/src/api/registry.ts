import { createApiKeyChangeSchema, createNewApiKeySchema } from "./access/api-key.ts";
import { createGraphSchemas } from "./jobs/graph.ts";
import { createImportDefinition } from "./import.ts";
import { createJobSchemas } from "./jobs/job-request.ts";
import type { JobType, JobTypes, WorkerKind } from "./job-type.ts";
import { createOperationSchemas } from "./operation.ts";
import { createScheduleSchemas } from "./schedule.ts";

/** The job types of a service, with lookups and the schemas of requests that contain job types. */
export interface JobTypeRegistry<Types extends JobTypes = JobTypes> {
  readonly types: Types;
  readonly names: readonly string[];
  readonly queues: readonly string[];
  /** The searchable fields of all job types. */
  readonly searchableFields: readonly string[];
  /** Queues with job types whose data may contain secrets. */
  readonly secretQueues: ReadonlySet<string>;
  readonly schemas: RequestSchemas;
  find(name: string): JobType | undefined;
  /** Finds a job type that recorded jobs may have, also one that was deleted since. */
  findRecorded(name: string): JobType | undefined;
  /** Returns the job types that a tenant may use: those defined in code, and those that the tenant registered. */
  forTenant(tenant: string): JobTypeRegistry;
  /**
   * Loads the registered types. Resolves when all changes made before the call are loaded, to false if that failed.
   */
  refresh(): Promise<boolean>;
  /** Returns the number of the last change of a registered type that this process has loaded; 0 before the first one. */
  getRevision(): number;
  /** Returns the queue of a job type; an empty string for an unknown type. */
  getQueue(type: string): string;
  /** Returns the names of the job types of a queue. */
  getTypes(queue: string): readonly string[];
  /** Returns the queues whose jobs are processed by this kind of worker. */
  getQueues(worker: WorkerKind): readonly string[];
}

export type RequestSchemas = ReturnType<typeof createRequestSchemas>;

/**
 * Creates the registry that a producer, a consumer and the OpenAPI document are built from. Builds all schemas once.
 * @param types in the order of the documentation; the first one is the example in the documentation
 * @param deletedNames names of types that recorded jobs may still have
 * @throws if two types have one name, or the types of a queue have different kinds of workers
 */
export function createRegistry<const Types extends JobTypes>(
  types: Types,
  deletedNames: readonly string[] = [],
): JobTypeRegistry<Types> {
  const byName = new Map<string, JobType>(types.map((jobType) => [jobType.type, jobType]));
  if (byName.size === 0) throw new Error("a registry needs at least one job type");
  if (byName.size < types.length) throw new Error("two job types have the same name");
  // Not Map.groupBy: job types are also defined in programs on Node 20.
  const namesByQueue = new Map<string, string[]>();
  const workers = new Map<string, WorkerKind>();
  for (const { queue, type, worker } of types) {
    namesByQueue.set(queue, [...(namesByQueue.get(queue) ?? []), type]);
    const other = workers.get(queue) ?? worker;
    if (other !== worker) {
      throw new Error(
        `the queue ${queue} has job types with different kinds of workers: ${other} and ${worker}`,
      );
    }
    workers.set(queue, worker);
  }
  const registry: JobTypeRegistry<Types> = {
    types,
    names: [...byName.keys()],
    queues: [...namesByQueue.keys()],
    searchableFields: [...new Set(types.flatMap(({ searchable }) => searchable ?? []))],
    secretQueues: new Set(
      types.filter(({ findSecrets }) => findSecrets !== undefined).map(({ queue }) => queue),
    ),
    schemas: createRequestSchemas(types, deletedNames),
    find: (name) => byName.get(name),
    getQueue: (type) => byName.get(type)?.queue ?? "",
    getTypes: (queue) => namesByQueue.get(queue) ?? [],
    getQueues: (kind) => [...workers].flatMap(([queue, worker]) => (worker === kind ? queue : [])),
    findRecorded: (name) => byName.get(name),
    forTenant: () => registry,
    refresh: async () => true,
    getRevision: () => 0,
  };
  return registry;
}

function createRequestSchemas(types: JobTypes, deletedNames: readonly string[]) {
  const { example, ...schemas } = createJobSchemas(types, deletedNames);
  const { JobTypeName, QueueName, JobTemplate } = schemas;
  return {
    ...schemas,
    NewApiKey: createNewApiKeySchema(JobTypeName, QueueName),
    ApiKeyChange: createApiKeyChangeSchema(JobTypeName, QueueName),
    ...createGraphSchemas(schemas.JobRequest, example),
    ImportDefinition: createImportDefinition(JobTypeName, schemas.JobRequest),
    ...createOperationSchemas(JobTypeName),
    ...createScheduleSchemas(JobTemplate, example),
  };
}
