import { fetchJson } from "./api.ts";
import type { Scope } from "./session.tsx";
import { type Query, useQuery } from "./use-query.ts";

/** The part of JSON Schema that forms are generated from. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  description?: string;
  example?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  format?: string;
}

interface OpenApi {
  components: { schemas: Record<string, Schema> };
  paths: Record<string, Record<string, { parameters?: { name: string }[] }>>;
}

/** What the OpenAPI document says about the job types and scopes of the service. */
export interface ServiceDocument {
  types: string[];
  searchableFields: string[];
  /** All scopes of API keys. */
  scopes: Scope[];
  /** Resolves references of a schema. */
  resolve(schema: Schema): Schema;
  /** Returns the schema of a type's data. */
  getDataSchema(type: string): Schema;
}

let reading: Promise<ServiceDocument> | undefined;

/** Reads the document again when it is needed: a job type was registered. */
export function forgetServiceDocument(): void {
  reading = undefined;
}

/** Reads the OpenAPI document once: it changes only with the service and its job types. */
export function useServiceDocument(): Query<ServiceDocument> {
  return useQuery("openapi", () => {
    reading ??= fetchJson<OpenApi>("/openapi.json").then(toServiceDocument);
    return reading.catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
  });
}

function toServiceDocument({ components, paths }: OpenApi): ServiceDocument {
  const { schemas } = components;
  const requests = "JobRequest.";

  function resolve(schema: Schema): Schema {
    const name = schema.$ref?.replace("#/components/schemas/", "");
    if (name === undefined) return schema;
    const { $ref: _, ...own } = schema;
    return { ...resolve(schemas[name] ?? {}), ...own };
  }

  return {
    types: Object.keys(schemas)
      .filter((name) => name.startsWith(requests))
      .map((name) => name.slice(requests.length)),
    searchableFields: (paths["/v1/jobs"]?.["get"]?.parameters ?? [])
      .filter(({ name }) => name.startsWith("data."))
      .map(({ name }) => name.slice("data.".length)),
    scopes: (resolve(schemas["NewApiKey"] ?? {}).properties?.["scopes"]?.items?.enum ??
      []) as Scope[],
    resolve,
    getDataSchema: (type) => resolve(schemas[requests + type]?.properties?.["data"] ?? {}),
  };
}
