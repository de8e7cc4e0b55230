import { z } from "zod";
import { feedLimits, limits } from "../limits.ts";
import { Import } from "../import.ts";
import type { JobTypeRegistry } from "../registry.ts";
import {
  json,
  defineRoute,
  IdempotencyKey,
  idParameter,
  locationBelow,
  onceProblems,
  replayed,
} from "./route.ts";

const tags: [string] = ["Imports"];
const location = locationBelow("/v1/imports");
const file = { schema: { type: "string" as const } };

/** Delimiters by name, because client generators reject a tab character in an enumeration. */
export const delimiters = { comma: ",", semicolon: ";", tab: "\t" } as const;

const DelimiterName = z.enum(["comma", "semicolon", "tab"]);
const Delimiter = z.preprocess(
  (input) => DelimiterName.options.find((name) => delimiters[name] === input) ?? input,
  DelimiterName,
);

export const feedMediaTypes = [
  "application/rss+xml",
  "application/atom+xml",
  "application/rdf+xml",
  "application/feed+json",
] as const;

/** Creates the operations whose schemas depend on the job types. */
export function createImportRoutes(jobTypes: JobTypeRegistry) {
  const createImport = defineRoute({
    operationId: "createImport",
    summary: "Create an import",
    description:
      "Reads a CSV file or a feed as a stream and creates one job per row or item. The response is sent after the body has been read. For `row.import` the values are the " +
      "strings of the file, unchanged; for other types the columns are the fields of the job's data. A feed creates `feed.item` jobs and " +
      `may have at most ${feedLimits.bytes} bytes, ${feedLimits.items} items, and ${feedLimits.values} tags and attributes or JSON values. ` +
      `A CSV file may have at most ${limits.csvColumns} columns and ${limits.dataBytes} bytes per row. Its charset is a parameter of the ` +
      "Content-Type (`text/csv; charset=windows-1252`); a byte order mark takes precedence; the default is UTF-8. " +
      "With an Idempotency-Key the body is compared while it is read, and it is safe to send the file again: an interrupted import " +
      "(the client disconnected or the producer crashed) continues after the last recorded row under the same ID, and no row creates a " +
      "second job. While a producer may still be reading the first body (up to 60 s after a crash), the response is 409.",
    tags,
    scope: "jobs:enqueue",
    method: "post",
    path: "/v1/imports",
    request: {
      headers: z.object({ "idempotency-key": IdempotencyKey }),
      query: z.strictObject({
        type: z.string().meta({ example: findImportable(jobTypes) }),
        source: z.string().min(1).max(255).optional().meta({
          description: "Name under which the items of a feed are stored; required for a feed",
        }),
        delimiter: Delimiter.default("comma").meta({
          description: "Column delimiter of a CSV file; the character itself is also accepted",
        }),
      }),
      body: {
        required: true,
        content: {
          "text/csv": { ...file, example: "zip_code,city\n00501,Holtsville\n" },
          "application/rss+xml": file,
          "application/atom+xml": file,
          "application/rdf+xml": file,
          "application/feed+json": file,
        },
      },
    },
    responses: {
      201: {
        description:
          "The body was read completely; `counts.read`, `accepted`, `duplicate` and `rejected` are final. `status` is `failed` if every row was rejected",
        content: json(Import),
        headers: { ...location, ...replayed },
      },
      202: {
        description: "As 201, but Redis is unavailable; the jobs will be dispatched later",
        content: json(Import),
        headers: { ...location, ...replayed },
      },
    },
    problems: [
      "empty-body",
      "invalid-parameter",
      "forbidden-resource",
      "body-too-large",
      "unsupported-media-type",
      "invalid-csv",
      "invalid-feed",
      ...onceProblems,
      "quota-exceeded",
      "at-capacity",
    ],
  });
  return { createImport };
}

export const getImport = defineRoute({
  operationId: "getImport",
  summary: "Get an import",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/imports/{id}",
  request: { params: idParameter("import") },
  responses: {
    200: { description: "The import", content: json(Import) },
  },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "import-not-found",
    "import-gone",
    "at-capacity",
  ],
});

/** Returns the name of a job type for the documentation, if possible of one that is made for rows. */
function findImportable({ types }: JobTypeRegistry): string | undefined {
  return (types.find(({ fromRow }) => fromRow !== undefined) ?? types[0])?.type;
}
