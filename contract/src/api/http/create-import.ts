import { z } from "zod";
import { CallbackUrl } from "../jobs/job-options.ts";
import { feedLimits, limits } from "../limits.ts";
import { Delimiter, FileEncoding, Import } from "../import.ts";
import { integerParameter } from "../integer-parameter.ts";
import { rowOptions } from "../row-options.ts";
import type { JobTypeRegistry } from "../registry.ts";
import { json, locationBelow, replayed } from "./define/headers.ts";
import {
  contentEncoding,
  IdempotencyKey,
  jsonParameter,
  queryBoolean,
} from "./define/parameters.ts";
import { defineRoute, onceProblems, thenProblems } from "./define/route.ts";

const location = locationBelow("/v1/imports");
const file = { schema: { type: "string" as const } };

/** Files of rows that may be sent as a whole or in parts. */
export const rowFiles = {
  "text/csv": { ...file, example: "zip_code,city\n00501,Holtsville\n" },
  "application/x-ndjson": { ...file, example: '{"zip_code":"00501","city":"Holtsville"}\n' },
};

export const feedMediaTypes = [
  "application/rss+xml",
  "application/atom+xml",
  "application/rdf+xml",
  "application/feed+json",
] as const;

export const xlsxMediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/** Defines the operation, whose schemas depend on the job types. */
export function createImportRoute(jobTypes: JobTypeRegistry) {
  const { schemas } = jobTypes;
  return defineRoute({
    operationId: "createImport",
    summary: "Create an import",
    description:
      "Reads a CSV, NDJSON, JSON or .xlsx file or a feed as a stream and creates one job per row or item. The response is sent after the body has been read. For `row.import` the values are the " +
      "strings of the file, unchanged; for other types the columns are the fields of the job's data. A feed creates `feed.item` jobs and " +
      `may have at most ${feedLimits.bytes} bytes, ${feedLimits.items} items, and ${feedLimits.values} tags and attributes or JSON values. ` +
      `A CSV file may have at most ${limits.csvColumns} columns and ${limits.dataBytes} bytes per row. Its charset is a parameter of the ` +
      "Content-Type (`text/csv; charset=windows-1252`); a byte order mark takes precedence; the default is UTF-8. " +
      `An NDJSON file (\`application/x-ndjson\`) has an object of at most ${limits.dataBytes} bytes per line; its values keep their types. ` +
      "With an Idempotency-Key, the file can be sent again safely; its body is compared while it is read. An interrupted import " +
      "(the client disconnected or the producer crashed) continues after the last recorded row under the same ID, and no row creates a " +
      "second job. While a producer may still be reading the first body (up to 60 s after a crash), the response is 409. " +
      "With the parameter `type`, JSON is a file too: an array of objects, read element by element. " +
      "Without `type`, the JSON creates an import without rows: send the file with `PUT /v1/imports/{id}/parts/{number}`, then `POST /v1/imports/{id}/complete`. " +
      "The job in `then` waits until the file was read and all of its jobs have ended, with any final status.",
    tags: ["Imports"],
    scope: "jobs:enqueue",
    method: "post",
    path: "/v1/imports",
    request: {
      headers: z.object({
        "idempotency-key": IdempotencyKey,
        "content-encoding": contentEncoding("Compression of a file of rows"),
      }),
      query: z.strictObject({
        type: z
          .string()
          .optional()
          .meta({
            description: "Required for a file; without it, JSON is the definition of an import",
            example: findImportable(jobTypes),
          }),
        source: z.string().min(1).max(255).optional().meta({
          description: "Name under which the items of a feed are stored; required for a feed",
        }),
        id: z.uuidv7().optional().meta({
          description:
            "ID of the import, chosen by the client, so that the progress can be read while the file is sent. 409 if the ID exists",
        }),
        delimiter: Delimiter.default("comma"),
        encoding: FileEncoding.optional().meta({
          description:
            "Label of the WHATWG Encoding Standard. It overrides the charset of the Content-Type; a byte order mark takes precedence",
        }),
        header: z
          .enum(["present", "absent"])
          .optional()
          .meta({
            description:
              "present: the first row has the column names. absent: the first row is data, and the columns are `column1`, `column2` ... " +
              "Default: as present, but a first name that is a number is refused",
          }),
        key: rowOptions.key,
        unknownColumns: rowOptions.unknownColumns,
        mapping: jsonParameter("Fields and their sources, as in the JSON of an import", {
          city: "city",
        }),
        options: jsonParameter("Options of all jobs, as in the JSON of an import", { priority: 5 }),
        maxErrors: integerParameter(0, limits.importMaxErrors)
          .optional()
          .meta({ ...rowOptions.maxErrors.meta() }),
        sheet: z.string().min(1).max(100).optional().meta({
          description: "Name of the sheet of an .xlsx file; the first visible one by default",
        }),
        dryRun: queryBoolean("true: validates all rows and enqueues nothing"),
        callbackUrl: CallbackUrl.optional(),
        then: jsonParameter(
          "A job that runs when the import is done, as in the JSON of an import",
          schemas.JobRequest.meta()?.["example"],
        ),
      }),
      body: {
        required: true,
        content: {
          ...rowFiles,
          ...json(schemas.ImportDefinition),
          [xlsxMediaType]: { schema: { type: "string" as const, format: "binary" } },
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
          "The body was read completely; `counts.read`, `accepted`, `duplicate` and `rejected` are final. `status` is `failed` if every row was rejected. For a JSON body: the import waits for its parts",
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
      "invalid-json",
      "unstorable-json",
      "invalid-import",
      "invalid-csv",
      "invalid-xlsx",
      "invalid-feed",
      "too-many-errors",
      "import-exists",
      "import-ended",
      ...thenProblems,
      "invalid-job",
      "unstorable-secret",
      ...onceProblems,
      "quota-exceeded",
      "at-capacity",
    ],
  });
}

/** Returns the name of a job type for the documentation, if possible of one that is made for rows. */
function findImportable({ types }: JobTypeRegistry): string | undefined {
  return (types.find(({ fromRow }) => fromRow !== undefined) ?? types[0])?.type;
}
