import type {
  Import,
  ImportDefinition,
  ImportPage,
  ImportPart,
  ImportPartPage,
  Operation,
} from "../api-types.ts";
import { type FollowOptions, toFollowedImportEvent } from "../follow.ts";
import type { JobRequest, JobTypeName, JobTypes, Sent } from "../job-types.ts";
import {
  compressBytes,
  type PartOptions,
  sendParts,
  type SendPartsOptions,
  toContentDigest,
} from "./send-parts.ts";
import type { FilePart } from "./split-file.ts";
import {
  type Body,
  type CallOptions,
  type PageQuery,
  post,
  postJson,
  type Transport,
  type WriteOptions,
} from "../transport.ts";

/** Content-Type of an .xlsx file. */
export const xlsxMediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

export interface ImportQuery<Types extends JobTypes = JobTypes> {
  type: JobTypeName<Types>;
  /** UUID v7 of the import; with it, the progress can be read while the file is sent. */
  id?: string | undefined;
  /** Name under which the items of a feed are stored. */
  source?: string | undefined;
  /** One character, or `comma`, `semicolon`, `tab`, `pipe`, `space`. */
  delimiter?: string | undefined;
  /** Encoding of a CSV file, for example `windows-1252`; a byte order mark takes precedence. */
  encoding?: string | undefined;
  /** Name of the sheet of an .xlsx file; the first visible one by default. */
  sheet?: string | undefined;
  /** absent: the first row is data. present: it has the column names, even if they are numbers. */
  header?: "present" | "absent" | undefined;
  /** Key of the jobs: a column, or a template with columns in braces. */
  key?: string | undefined;
  /** What happens to columns that are not fields of the job type; `reject` by default. */
  unknownColumns?: "reject" | "ignore" | undefined;
  /** The import fails when more rows are rejected. */
  maxErrors?: number | undefined;
  /** true: validates all rows and enqueues nothing. */
  dryRun?: "true" | "false" | undefined;
  /** JSON: fields and their sources. */
  mapping?: string | undefined;
  /** JSON: options of all jobs. */
  options?: string | undefined;
  /** Where the end of the import is reported. */
  callbackUrl?: string | undefined;
  /** A job that runs when the import is done. */
  then?: JobRequest<Types> | undefined;
  /** `text/csv` by default; `xlsxMediaType` for an .xlsx file. */
  contentType?: string | undefined;
}

/** An import that waits for its parts. */
export type NewImport<Types extends JobTypes = JobTypes> = Sent<Omit<ImportDefinition, "then">> & {
  /** A job that runs when the import is done. */
  then?: JobRequest<Types> | undefined;
};

export interface ListImportsQuery<Types extends JobTypes = JobTypes> extends PageQuery {
  status?: Import["status"];
  type?: JobTypeName<Types>;
}

/** A part of a file, as `splitCsv` or `splitNdjson` yields it. */
export interface SentImportPart {
  /** From 1. */
  number: number;
  bytes: Uint8Array<ArrayBuffer>;
  /** First byte in the file. */
  offset?: number;
}

/** Calls about imports of files. */
export function createImportCalls<Types extends JobTypes>({ call, open, followAt }: Transport) {
  const toPath = (id: string) => `/v1/imports/${encodeURIComponent(id)}`;
  const calls = {
    /** Resolves after the body has been read; the jobs may still be pending. */
    createImport: (
      body: Body,
      { contentType = "text/csv", then, ...query }: ImportQuery<Types>,
      write: WriteOptions = {},
    ) =>
      call<Import>("/v1/imports", {
        ...post(body, contentType, write),
        query: { ...query, then: then && JSON.stringify(then) },
        timeoutMs: Infinity,
      }),

    /** Creates an import that waits for its parts. */
    defineImport: (definition: NewImport<Types>, write: WriteOptions = {}) =>
      call<Import>("/v1/imports", postJson(definition, write)),

    /**
     * Sends a part of an import with its digest. Resolves when its rows are recorded or rejected. A part that was received
     * before changes nothing.
     */
    putImportPart: async (
      id: string,
      { number, bytes, offset }: SentImportPart,
      options: PartOptions & { timeoutMs?: number } = {},
    ) => {
      const { contentType = "text/csv", timeoutMs = 120_000, compress, ...rest } = options;
      const body = compress === undefined ? bytes : await compressBytes(bytes, compress);
      const digest = await toContentDigest(body);
      return call<ImportPart>(`${toPath(id)}/parts/${number}`, {
        ...rest,
        method: "PUT",
        body,
        timeoutMs,
        headers: {
          "Content-Type": contentType,
          ...(compress === undefined ? {} : { "Content-Encoding": compress }),
          ...(digest === undefined ? {} : { "Content-Digest": digest }),
          ...(offset === undefined
            ? {}
            : { "Content-Range": `bytes ${offset}-${offset + bytes.length - 1}/*` }),
        },
      });
    },

    listImportParts: (id: string, query: PageQuery = {}, options: CallOptions = {}) =>
      call<ImportPartPage>(`${toPath(id)}/parts`, { ...options, query: { ...query } }),

    /** Declares how many parts the file has. Throws `import-incomplete` if some are missing. */
    completeImport: (id: string, parts: number, write: WriteOptions = {}) =>
      call<Import>(`${toPath(id)}/complete`, postJson({ parts }, write)),

    listImports: (query: ListImportsQuery<Types> = {}, options: CallOptions = {}) =>
      call<ImportPage>("/v1/imports", { ...options, query: { ...query } }),

    getImport: (id: string, options: CallOptions = {}) => call<Import>(toPath(id), options),

    /** Opens the list of rejected rows as a stream of NDJSON or CSV. */
    openImportErrors: (
      id: string,
      { format = "ndjson" }: { format?: "ndjson" | "csv" } = {},
      options: CallOptions = {},
    ) => open(`${toPath(id)}/errors`, { ...options, query: { format } }),

    /** Yields snapshots of an import until the import is done. */
    followImport: (id: string, options?: FollowOptions) =>
      followAt(`${toPath(id)}/events`, toFollowedImportEvent, options),

    /** Stops an import; an operation cancels its pending jobs in the background. */
    cancelImport: (id: string, options: CallOptions = {}) =>
      call<Operation>(toPath(id), { ...options, method: "DELETE" }),
  };
  return {
    ...calls,

    /**
     * Sends the parts of a file that the service does not have yet, several at a time. Returns their number, for
     * `completeImport`. After a failure, call it again with the same parts.
     */
    sendImportParts: (id: string, parts: AsyncIterable<FilePart>, options: SendPartsOptions = {}) =>
      sendParts(calls, id, parts, options),
  };
}
