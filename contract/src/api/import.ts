import { z } from "zod";
import { CallbackUrl } from "./jobs/job-options.ts";
import type { JobRequest } from "./jobs/job-request.ts";
import { limits } from "./limits.ts";
import { createPage } from "./page.ts";
import { Problem } from "./problem.ts";
import { ImportJobOptions, rowOptions } from "./row-options.ts";

/** Status of an import as clients see it; the ledger derives it from `StoredImportStatus` and the counts. */
export const ImportStatus = z.enum(["receiving", "running", "done", "failed", "cancelled"]);
export type ImportStatus = z.infer<typeof ImportStatus>;

/** Status of an import in Postgres. `received`: all rows are read. All statuses except `receiving` are final. */
export type StoredImportStatus = "receiving" | "received" | "failed" | "cancelled";

/** Status of a part of an import. `failed`: a request ended before its end; the part can be sent again. */
export const ImportPartStatus = z.enum(["receiving", "received", "failed"]);
export type ImportPartStatus = z.infer<typeof ImportPartStatus>;

const count = z.int().min(0);

/** Delimiters by name, because client generators reject a tab character in an enumeration. */
const delimiterNames = { comma: ",", semicolon: ";", tab: "\t", pipe: "|", space: " " };

export const Delimiter = z
  .string()
  .regex(/^(comma|semicolon|tab|pipe|space|[^"\r\n\0])$/)
  .meta({
    description:
      "Column delimiter: `comma`, `semicolon`, `tab`, `pipe`, `space`, or any one character except a quote",
    example: "comma",
  });

/** Returns the character of a delimiter that may be a name. */
export function toDelimiter(delimiter: string): string {
  return (delimiterNames as Partial<Record<string, string>>)[delimiter] ?? delimiter;
}

export const FileEncoding = z.string().min(1).max(40);

/** Creates the schema of the request that creates an import whose parts are sent one by one. */
export function createImportDefinition(
  JobTypeName: z.ZodType<string>,
  jobRequest: z.ZodType<JobRequest>,
) {
  return z
    .strictObject({
      type: JobTypeName,
      id: z
        .uuidv7()
        .optional()
        .meta({ description: "UUID v7 chosen by the client. 409 if the ID exists" }),
      format: z.enum(["csv", "ndjson"]).default("csv").meta({
        description:
          "ndjson: an object per line, whose members are the columns; the parts are `application/x-ndjson`",
      }),
      delimiter: Delimiter.default("comma"),
      encoding: FileEncoding.optional().meta({
        description:
          "Label of the WHATWG Encoding Standard; a byte order mark in part 1 takes precedence. UTF-8 by default",
        example: "windows-1252",
      }),
      header: z.enum(["present", "absent"]).optional().meta({
        description:
          "absent: the names are `columns`, or else `column1`, `column2` ... Otherwise the first row of part 1 has the column names; present: even if they are numbers",
      }),
      columns: z
        .array(z.string().min(1))
        .min(1)
        .max(limits.csvColumns)
        .optional()
        .meta({
          description:
            "Column names. If omitted, part 1, which has the header, must begin before the other parts",
          example: ["zip_code", "city"],
        }),
      ...rowOptions,
      options: ImportJobOptions.optional(),
      callbackUrl: CallbackUrl.optional(),
      then: jobRequest.optional(),
    })
    .superRefine(({ format, columns, encoding }, context) => {
      if (format === "csv") return;
      for (const [name, value] of Object.entries({ columns, encoding })) {
        if (value === undefined) continue;
        const message = "Only a CSV file has columns and an encoding.";
        context.addIssue({ code: "custom", path: [name], message });
      }
    })
    .meta({
      id: "ImportDefinition",
      example: { type: "row.import", columns: ["zip_code", "city"] },
    });
}

export type ImportDefinition = z.infer<ReturnType<typeof createImportDefinition>>;

export const ImportError = z
  .strictObject({
    line: count.meta({
      description: "Line number in the file, or in its part; for a feed, the number of the item",
    }),
    part: z
      .int()
      .min(1)
      .optional()
      .meta({ description: "The part, if the file was sent in parts" }),
    problem: Problem,
  })
  .meta({ id: "ImportError" });
export type ImportError = z.infer<typeof ImportError>;

const ImportCounts = z
  .strictObject({
    read: count.meta({ description: "Rows or items read" }),
    accepted: count.meta({ description: "Rows or items recorded as jobs" }),
    duplicate: count.meta({ description: "Rows or items whose key belongs to a pending job" }),
    rejected: count.meta({
      description: "Rows or items that could not be parsed or did not match the schema",
    }),
    completed: count,
    dead: count,
    cancelled: count,
    expired: count,
  })
  .meta({ id: "ImportCounts" });

const ImportParts = z
  .strictObject({
    total: z
      .int()
      .nullable()
      .meta({ description: "Number of parts; null until the import is completed" }),
    received: count,
    missing: z.array(z.int()).meta({
      description: `The first ${limits.importErrors} missing parts up to the last one that was sent`,
    }),
  })
  .meta({ id: "ImportParts" });

export const Import = z
  .strictObject({
    id: z.uuid(),
    type: z.string(),
    status: ImportStatus.meta({
      description:
        "receiving: the body is being read. running: the body was read and jobs are pending. " +
        "failed: the body ended early or is malformed, or every row was rejected; jobs that were accepted before are still processed. " +
        "cancelled: no more rows are accepted, and the pending jobs are cancelled in the background.",
    }),
    counts: ImportCounts,
    errors: z.array(ImportError).meta({ description: "Errors of the first rejected rows" }),
    parts: z
      .union([ImportParts, z.null()])
      .meta({ description: "Null if the file was sent in one request" }),
    dryRun: z.boolean().meta({ description: "true: rows were validated and no jobs were created" }),
    then: z
      .uuid()
      .nullable()
      .meta({ description: "The job that runs when the import is done; null without one" }),
    jobsPerSecond: z.number().nullable().meta({
      description: "Ended jobs per second since the creation; null unless the import is running",
    }),
    secondsLeft: z
      .int()
      .nullable()
      .meta({ description: "Estimated time until the import is done" }),
    createdAt: z.iso.datetime(),
  })
  .meta({
    id: "Import",
    example: {
      id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
      type: "row.import",
      status: "done",
      counts: {
        read: 1,
        accepted: 1,
        duplicate: 0,
        rejected: 0,
        completed: 1,
        dead: 0,
        cancelled: 0,
        expired: 0,
      },
      errors: [],
      parts: null,
      dryRun: false,
      then: null,
      jobsPerSecond: null,
      secondsLeft: null,
      createdAt: "2026-11-23T09:30:00.000Z",
    },
  });
export type Import = z.infer<typeof Import>;

export const ImportPage = createPage("ImportPage", Import);

const ImportPartCounts = ImportCounts.pick({
  read: true,
  accepted: true,
  duplicate: true,
  rejected: true,
}).meta({ id: "ImportPartCounts" });

export const ImportPart = z
  .strictObject({
    number: z.int().min(1),
    status: ImportPartStatus,
    offset: count
      .nullable()
      .meta({ description: "First byte in the file, if `Content-Range` was sent" }),
    bytes: count,
    digest: z
      .string()
      .meta({ description: "SHA-256 of the part before compression, as in `Content-Digest`" }),
    counts: ImportPartCounts,
    firstRow: z.int().nullable().meta({
      description: "Number of its first row in the file; null while an earlier part is missing",
    }),
  })
  .meta({
    id: "ImportPart",
    example: {
      number: 1,
      status: "received",
      offset: 0,
      bytes: 31,
      digest: "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
      counts: { read: 1, accepted: 1, duplicate: 0, rejected: 0 },
      firstRow: 1,
    },
  });
export type ImportPart = z.infer<typeof ImportPart>;

export const ImportPartPage = createPage("ImportPartPage", ImportPart);

export const ImportCompletion = z
  .strictObject({
    parts: z
      .int()
      .min(1)
      .max(limits.importParts)
      .meta({ description: "Number of parts of the file" }),
  })
  .meta({ id: "ImportCompletion", example: { parts: 8 } });
