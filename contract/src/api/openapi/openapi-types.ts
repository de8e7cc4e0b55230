import type { JobType } from "../job-type.ts";
import { maxTermValueLength } from "../job-data/search-terms.ts";
import type { buildOpenApi } from "./openapi.ts";

type OpenApiDocument = ReturnType<typeof buildOpenApi>;

interface Schema {
  oneOf?: Schema[];
  discriminator?: { propertyName: string; mapping?: Record<string, string> };
  properties?: Record<string, Schema>;
  [keyword: string]: unknown;
}

const reference = (name: string) => `#/components/schemas/${name}`;

/**
 * Returns the document with registered job types. Building a document with 200 types would block a producer for a second.
 * @param document of a service that has the type `like`
 * @param registered types whose schemas document themselves with JSON Schema
 */
export function addJobTypes(
  document: OpenApiDocument,
  like: string,
  registered: readonly JobType[],
): OpenApiDocument {
  const schemas = { ...(document.components?.schemas as Record<string, Schema> | undefined) };
  for (const family of ["JobRequest", "JobTemplate"]) {
    const union = schemas[family] ?? {};
    const model = schemas[`${family}.${like}`] ?? {};
    const names = registered.map(({ type }) => [type, `${family}.${type}`] as const);
    const added = Object.fromEntries(names.map(([type, name]) => [type, reference(name)]));
    schemas[family] = {
      ...union,
      oneOf: [...(union.oneOf ?? []), ...Object.values(added).map(($ref) => ({ $ref }))],
      discriminator: {
        propertyName: "type",
        mapping: { ...union.discriminator?.mapping, ...added },
      },
    };
    for (const { type, data } of registered) {
      const { id = `JobData.${type}`, ...schema } = data.meta() ?? {};
      schemas[id] = schema;
      schemas[`${family}.${type}`] = {
        ...model,
        properties: {
          ...model.properties,
          type: { type: "string", enum: [type] },
          data: { $ref: reference(id) },
        },
      };
    }
  }
  const components = { ...document.components, schemas } as OpenApiDocument["components"];
  return addSearchParameters({ ...document, ...(components && { components }) }, registered);
}

/** Adds the query parameter of each searchable field that has none yet. */
function addSearchParameters(
  document: OpenApiDocument,
  registered: readonly JobType[],
): OpenApiDocument {
  const path = "/v1/jobs";
  const list = document.paths?.[path]?.get;
  if (list === undefined) return document;
  const { parameters = [] } = list;
  const known = new Set(parameters.map((one) => ("name" in one ? one.name : undefined)));
  const names = new Set(
    registered.flatMap(({ searchable = [] }) => searchable.map((field) => `data.${field}`)),
  );
  const added = [...names]
    .filter((name) => !known.has(name))
    .map((name) => {
      const description = `Only jobs with this value of \`${name}\``;
      const schema = { type: "string" as const, minLength: 1, maxLength: maxTermValueLength };
      return {
        schema: { ...schema, description },
        required: false,
        description,
        name,
        in: "query" as const,
      };
    });
  const get = { ...list, parameters: [...parameters, ...added] };
  return { ...document, paths: { ...document.paths, [path]: { ...document.paths?.[path], get } } };
}
