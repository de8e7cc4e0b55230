import { xlsxMediaType } from "@toril/contract/api/http/create-import";
import { toDelimiter } from "@toril/contract/api/import";
import { fieldErrors, type ProblemKind } from "@toril/contract/api/problem";
import type { JobType } from "@toril/contract/api/job-type";
import { ImportJobOptions, rowOptions, type RowOptions } from "@toril/contract/api/row-options";
import type { z } from "zod";
import { isDisconnected, parseJsonParameter, readBytes } from "../../http/body.ts";
import { ProblemError, toParameterProblem } from "../../http/problem.ts";
import type { RequestContext } from "../../http/request-context.ts";
import { BodyHash } from "../../idempotency/body-hash.ts";
import { createCsvDecoder } from "./csv/decoder.ts";
import { decompress } from "./decompress.ts";
import type { FileEntry } from "../chunks/import-chunk.ts";
import { toImportProblem } from "../import-errors.ts";
import { readCsvEntries, readObjectEntries, readRowEntries } from "./read-file.ts";
import { readJsonArray } from "./read-json-array.ts";
import { readNdjson } from "./read-ndjson.ts";
import type { BlockingReservation } from "../../quotas/quota-reservation.ts";
import type { SheetRow } from "./xlsx/read-sheet.ts";
import { readSheetRecords } from "./xlsx/sheet-records.ts";
import { xlsxLimits } from "./xlsx/xlsx-error.ts";
import type { XlsxParser } from "./xlsx/xlsx-parser.ts";

/** Memory that an import uses, whatever the size of the file: one chunk is read, one committed, one dispatched. */
export const fileBytes = 6_000_000;

/** Formats of files whose rows become jobs, by media type. */
const formats = {
  "text/csv": "csv",
  "application/x-ndjson": "ndjson",
  "application/json": "json",
  [xlsxMediaType]: "xlsx",
} as const;
export type RowFormat = (typeof formats)[keyof typeof formats];

export function getMediaType(contentType = ""): string {
  return contentType.split(";")[0]?.trim().toLowerCase() ?? "";
}

/** Returns the format of a file, or undefined if its rows cannot be read. */
export function findRowFormat(contentType: string | undefined): RowFormat | undefined {
  return (formats as Partial<Record<string, RowFormat>>)[getMediaType(contentType)];
}

/** The kind of problem of a malformed file. */
export function toProblemKind(format: RowFormat): ProblemKind {
  if (format === "xlsx") return "invalid-xlsx";
  return format === "csv" ? "invalid-csv" : "invalid-json";
}

/** How a file in one request is read, from the parameters of the request. */
export interface FileQuery {
  delimiter: string;
  encoding?: string | undefined;
  header?: "present" | "absent" | undefined;
  key?: string | undefined;
  unknownColumns: "reject" | "ignore";
  mapping?: string | undefined;
  options?: string | undefined;
  sheet?: string | undefined;
}

export interface RowFile {
  /** Can be read once. */
  chunks(importId: string): AsyncIterable<readonly FileEntry[]>;
  /** Hash of the body, if the request has an Idempotency-Key. */
  hash: BodyHash | undefined;
  /** Reads the body to its end if nobody else does; undefined without an Idempotency-Key. */
  bodyHash: (() => Promise<string>) | undefined;
}

export interface FileRequest {
  format: RowFormat;
  jobType: JobType;
  query: FileQuery;
}

/** Reads a workbook into memory, and opens a sheet as a stream of rows. */
export async function openWorkbook(
  context: RequestContext,
  { format, jobType, query }: FileRequest,
  xlsx: XlsxParser,
): Promise<RowFile["chunks"]> {
  requireOptionsOf(format, query);
  const rowOptions = toRowOptions(query);
  // Before the body: the client may have to send it again.
  xlsx.requireCapacity();
  const bytes = await readBytes(context, xlsxLimits.bytes, context.quota);
  context.body = bytes;
  context.takeMemory(fileBytes + bytes.length);
  return (importId) => {
    const rows = withQuota(xlsx.read(bytes, query.sheet), context.quota?.blocking);
    const records = readSheetRecords(rows, toHeaderOptions(query));
    return readRowEntries(records, { jobType, importId, rowOptions }, toProblemKind(format));
  };
}

/** Takes the decompressed text of the rows from the quota. */
async function* withQuota(pages: AsyncIterable<SheetRow[]>, quota?: BlockingReservation) {
  for await (const rows of pages) {
    const length = rows.reduce((sum, { values }) => sum + values.join().length, 0);
    await quota?.takeBytes(length);
    yield rows;
  }
}

/** Opens the body of a request as a stream of rows. Throws a problem if a parameter is invalid. */
export function openRowFile(
  context: RequestContext,
  { format, jobType, query }: FileRequest,
): RowFile {
  const { body, headers } = context.request;
  if (body === null) throw new ProblemError("empty-body");
  requireOptionsOf(format, query);
  const charset =
    query.encoding ?? /;\s*charset="?([^";\s]+)/i.exec(headers.get("content-type") ?? "")?.[1];
  const options = toRowOptions(query);
  const quota = context.quota?.blocking;
  const decompressed = decompress(
    body as ReadableStream<Uint8Array>,
    headers.get("content-encoding"),
    toProblemKind(format),
  );
  context.takeMemory(fileBytes);
  const hash = headers.has("idempotency-key") ? new BodyHash() : undefined;
  const bytes = tap(decompressed, [
    ...(quota === undefined ? [] : [(part: Uint8Array) => quota.takeBytes(part.length)]),
    ...(hash === undefined ? [] : [(part: Uint8Array) => hash.update(part)]),
  ]);
  return {
    hash,
    bodyHash:
      hash &&
      (async () => {
        if (!bytes.locked) await readToEnd(bytes);
        return hash.digest();
      }),
    chunks: (importId) => {
      const of = { jobType, importId, rowOptions: options };
      if (format === "ndjson") return readObjectEntries(readNdjson(bytes), of);
      if (format === "json") return readObjectEntries(readJsonArray(bytes), of);
      return readCsvEntries(bytes, {
        ...of,
        delimiter: toDelimiter(query.delimiter),
        ...toHeaderOptions(query),
        sepLine: "sets",
        charset,
      });
    },
  };
}

function toHeaderOptions({ header }: FileQuery) {
  return { hasHeader: header !== "absent", isHeaderCertain: header === "present" };
}

function requireOptionsOf(format: RowFormat, { encoding, sheet }: FileQuery): void {
  if (sheet !== undefined && format !== "xlsx") {
    throw toParameterProblem("/sheet", "Only an .xlsx file has sheets.");
  }
  if (encoding === undefined) return;
  if (createCsvDecoder(encoding) === null) {
    throw toParameterProblem("/encoding", "Unknown encoding.");
  }
  if (format !== "csv") throw toParameterProblem("/encoding", "Only a CSV file has an encoding.");
}

function toRowOptions({ key, unknownColumns, mapping, options }: FileQuery): RowOptions {
  return {
    key,
    unknownColumns,
    mapping: parseParameter("mapping", rowOptions.mapping, mapping),
    options: parseParameter("options", ImportJobOptions, options),
  };
}

/** Parses a parameter that is JSON. */
function parseParameter<Value>(
  name: string,
  schema: z.ZodType<Value>,
  text: string | undefined,
): Value | undefined {
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(parseJsonParameter(name, text));
  if (parsed.success) return parsed.data;
  const errors = fieldErrors(parsed.error.issues, `/${name}`);
  throw new ProblemError("invalid-parameter", undefined, errors);
}

async function readToEnd(bytes: ReadableStream<Uint8Array>) {
  try {
    await bytes.pipeTo(new WritableStream());
  } catch (error) {
    throw isDisconnected(error) ? new ProblemError("incomplete-body") : toImportProblem(error);
  }
}

type Observe = (bytes: Uint8Array) => Promise<void> | void;

/** Passes the bytes through, each part after all observers have processed it. */
function tap(body: ReadableStream<Uint8Array>, observers: readonly Observe[]) {
  if (observers.length === 0) return body;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      async transform(bytes, controller) {
        for (const observe of observers) await observe(bytes);
        controller.enqueue(bytes);
      },
    }),
  );
}
