import { feedMediaTypes } from "@toril/contract/api/http/create-import";
import type { Api } from "@toril/contract/api/http/index";
import { feedLimits } from "@toril/contract/api/limits";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { FeedParser } from "@toril/contract/engine/feeds/feed-parser";
import { parseJsonParameter, readBytes } from "../http/body.ts";
import {
  getOrigin,
  requireKnown,
  requirePermitted,
  toImportViewer,
  toOperationOwner,
} from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { ProblemError, toParameterProblem } from "../http/problem.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import { parseThenJob } from "../jobs/then-job.ts";
import type { FindCallbacks } from "../webhooks/find-callbacks.ts";
import type { BodyHash } from "../idempotency/body-hash.ts";
import type { LockedKey, Idempotency } from "../idempotency/idempotency.ts";
import type { ResumableImport, FileImporter, ImportFile } from "./import-file.ts";
import { type ImportLedger, requireImport } from "./import-ledger.ts";
import { operationHeaders, type OperationLedger } from "../operations/operation-ledger.ts";
import {
  createDefinitionHandler,
  findImportCallback,
  requireUsableId,
} from "./create-definition.ts";
import { toCsv, toNdjson } from "./error-report.ts";
import { readFeedEntries } from "./formats/read-file.ts";
import type { XlsxParser } from "./formats/xlsx/xlsx-parser.ts";
import {
  findRowFormat,
  getMediaType,
  openRowFile,
  openWorkbook,
  type RowFile,
} from "./formats/row-file.ts";

export interface ImportRoutesDeps {
  api: Api;
  importer: FileImporter;
  importLedger: ImportLedger;
  idempotency: Idempotency;
  operations: Pick<OperationLedger, "create">;
  secretKeys: KeyRing | undefined;
  findCallbacks: FindCallbacks;
  parseFeed: FeedParser["parse"];
  xlsx: XlsxParser;
}

export function importRoutes(deps: ImportRoutesDeps): HandledRoute[] {
  const { api, importer, importLedger, idempotency, operations } = deps;
  const { parseFeed, xlsx } = deps;

  const createDefinition = createDefinitionHandler(deps);

  return [
    handle(api.createImport, async (c) => {
      const query = c.req.valid("query");
      const { type, id, source, maxErrors } = query;
      const dryRun = query.dryRun === "true";
      const contentType = c.req.header("content-type") ?? "";
      // With a type, JSON is a file.
      if (getMediaType(contentType) === "application/json" && type === undefined) {
        const [name] = Object.keys(c.req.query());
        if (name !== undefined) {
          throw toParameterProblem(`/${name}`, "It describes a file: send it as a field instead.");
        }
        const { body, status, isReplay } = await createDefinition(c.env);
        return c.json(body, status, {
          Location: `/v1/imports/${body.id}`,
          ...(isReplay ? { "Idempotency-Replayed": "true" } : {}),
        });
      }
      if (type === undefined) throw toParameterProblem("/type", "A file needs a type.");
      if (dryRun) c.env.changesNothing();
      const origin = getOrigin(c.env);
      await requireKnown(c.env, { type });
      const jobType = c.env.jobTypes.find(type);
      if (jobType === undefined) throw new ProblemError("job-type-not-found");
      requirePermitted(c.env, jobType);
      if (id !== undefined) requireUsableId(id);
      const callback = await findImportCallback(c.env, type, query.callbackUrl, deps, (error) => {
        throw toParameterProblem(error.pointer, error.detail);
      });
      const thenJob =
        query.then === undefined
          ? undefined
          : await parseThenJob(c.env, parseJsonParameter("then", query.then), deps);

      const quota = c.env.quota?.blocking;
      let chunks: ImportFile["chunks"];
      let file: RowFile | undefined;
      const format = findRowFormat(contentType);
      if (isFeed(contentType)) {
        if (type !== "feed.item")
          throw toParameterProblem("/type", "A feed makes jobs of type feed.item.");
        if (source === undefined) throw toParameterProblem("/source", "A feed needs a source.");
        const bytes = await readBytes(c.env, feedLimits.bytes, c.env.quota);
        c.env.body = bytes;
        chunks = () => readFeedEntries(bytes, { source, contentType }, parseFeed);
      } else if (format === "xlsx") {
        chunks = await openWorkbook(c.env, { format, jobType, query }, xlsx);
      } else if (format !== undefined) {
        file = openRowFile(c.env, { format, jobType, query });
        chunks = file.chunks;
      } else {
        throw new ProblemError(
          "unsupported-media-type",
          "Send text/csv, application/x-ndjson, application/json, .xlsx or a feed.",
        );
      }

      const { body, status, isReplay } = await idempotency.acrossTransactions(
        c.env,
        (key) => {
          const { storeResponse, checkpoint } = key;
          if (checkpoint !== undefined) {
            file?.hash?.expect({ bytes: checkpoint.bodyBytes, isSame: checkpoint.isSame });
          }
          const resume = toResumableImport(key, file?.hash);
          return importer.run({
            type,
            id,
            dryRun,
            maxErrors,
            callback,
            thenJob: dryRun ? undefined : thenJob,
            origin,
            chunks,
            quota,
            storeResponse,
            resume,
          });
        },
        file?.bodyHash,
      );
      return c.json(body, status, {
        Location: `/v1/imports/${body.id}`,
        ...(isReplay ? { "Idempotency-Replayed": "true" } : {}),
      });
    }),

    handle(api.listImports, async (c) => {
      const { cursor, limit, status, type } = c.req.valid("query");
      await requireKnown(c.env, { type });
      if (type !== undefined) {
        requirePermitted(c.env, { type, queue: c.env.jobTypes.getQueue(type) });
      }
      const before = cursor === undefined ? undefined : decodeCursor(cursor);
      const query = { before, limit, status, type };
      const { items, next } = await importLedger.list(toImportViewer(c.env), query);
      return c.json({ items, next: next === undefined ? null : encodeCursor(next) }, 200);
    }),

    handle(api.getImport, async (c) =>
      c.json(await requireImport(importLedger, c.env, c.req.valid("param").id), 200),
    ),

    handle(api.listImportErrors, async (c) => {
      const { id } = await requireImport(importLedger, c.env, c.req.valid("param").id);
      const { format } = c.req.valid("query");
      const { tenant } = c.env.principal;
      const pages = importLedger.errors({ tenant, id });
      return new Response(format === "csv" ? toCsv(pages) : toNdjson(pages), {
        headers: { "Content-Type": format === "csv" ? "text/csv" : "application/x-ndjson" },
      });
    }),

    handle(api.cancelImport, async (c) => {
      const { id } = await requireImport(importLedger, c.env, c.req.valid("param").id);
      const owner = toOperationOwner(c.env);
      // Committed before the operation begins, so that the operation covers every job of the import.
      if (!(await importLedger.cancel(owner.tenant, id))) throw new ProblemError("import-ended");
      const operation = await operations.create(owner, {
        action: "cancel",
        filter: { importId: id },
      });
      return c.json(operation, 202, operationHeaders(operation));
    }),
  ];
}

/** @param hash hashes a streamed body; without it, the key's claim already covers the body */
function toResumableImport(
  { checkpoint, saveCheckpoint }: LockedKey,
  hash: BodyHash | undefined,
): ResumableImport {
  const isVerified = () => hash?.isVerified ?? true;
  return {
    importId: checkpoint?.importId,
    isVerified,
    saveCheckpoint: (tx, importId) =>
      saveCheckpoint(
        tx,
        isVerified()
          ? { importId, bodyBytes: hash?.bytes ?? 0, bodyHash: hash?.digest() ?? null }
          : undefined,
      ),
  };
}

function isFeed(contentType: string): boolean {
  return (feedMediaTypes as readonly string[]).includes(getMediaType(contentType));
}
