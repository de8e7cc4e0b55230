import { z } from "zod";
import { feedLimits } from "../../engine/feeds/feed-limits.ts";
import { Import } from "../import.ts";
import { limits } from "../job.ts";
import { jobTypeNames } from "../job-types/index.ts";
import {
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

const delimiters: ReadonlyMap<unknown, string> = new Map([
  [",", "comma"],
  [";", "semicolon"],
  ["\t", "tab"],
]);
/** By its name: generators of clients refuse a tab in an enumeration. */
const Delimiter = z.preprocess(
  (given) => delimiters.get(given) ?? given,
  z.enum(["comma", "semicolon", "tab"]),
);

export const feedMediaTypes = [
  "application/rss+xml",
  "application/atom+xml",
  "application/rdf+xml",
  "application/feed+json",
] as const;

export const createImport = defineRoute({
  operationId: "createImport",
  summary: "Send a file whose rows become jobs",
  description:
    "The body is read as a stream; the answer comes when it has been read. For `row.import` the values are the " +
    "file's strings, verbatim; for other types the columns are the fields of the job's data. A feed makes `feed.item` jobs; " +
    `it has at most ${feedLimits.bytes} bytes, ${feedLimits.items} items, and ${feedLimits.values} tags and attributes or JSON values. ` +
    `A CSV file has at most ${limits.csvColumns} columns and ${limits.dataBytes} bytes a row. Its charset is a parameter of the ` +
    "Content-Type (`text/csv; charset=windows-1252`); a byte order mark wins over it, and without both it is UTF-8. " +
    "With an Idempotency-Key the body is compared as it is read, and sending it again is safe: an import that was broken off " +
    "(its sender went away, or its producer died) continues behind the last recorded row, under its id, and no row becomes a " +
    "second job. While a producer may still be reading the first body, at most 60 s after it died, the answer is 409.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/imports",
  request: {
    headers: z.object({ "idempotency-key": IdempotencyKey }),
    query: z.strictObject({
      type: z.enum(jobTypeNames).meta({ example: "row.import" }),
      source: z.string().min(1).max(255).optional().meta({
        description: "Under which name a feed's items are kept; a feed needs it",
      }),
      delimiter: Delimiter.default("comma").meta({
        description:
          "What separates the columns of a CSV file; the character itself is accepted too",
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
        "Read to its end; counts.read, accepted, duplicate and rejected are final. `failed` when every row was rejected",
      content: { "application/json": { schema: Import } },
      headers: { ...location, ...replayed },
    },
    202: {
      description: "The same, but Redis is away: the jobs will be placed when it is back",
      content: { "application/json": { schema: Import } },
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

export const getImport = defineRoute({
  operationId: "getImport",
  summary: "Follow an import",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/imports/{id}",
  request: { params: idParameter("import") },
  responses: {
    200: { description: "The import", content: { "application/json": { schema: Import } } },
  },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "import-not-found",
    "import-gone",
    "at-capacity",
  ],
});
