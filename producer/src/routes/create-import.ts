import type { RouteHandler } from "@hono/zod-openapi";
import { type createImport as route, feedMediaTypes } from "@toril/contract/http/imports";
import { queueOf } from "@toril/contract/jobs";
import type { AppEnv } from "../app-env.ts";
import { refuseEncoded } from "../body.ts";
import { callerOf, requireReach } from "../caller.ts";
import type { FileImporter, ImportFile } from "../import-file.ts";
import type { ImportLedger } from "../import-ledger.ts";
import { ProblemError } from "../problem.ts";
import type { Pace } from "../quotas/charge.ts";
import { readCsvEntries, readFeedEntries } from "../read-file.ts";

/** What the import of a CSV file holds at most, whatever its size. */
const csvBytes = 4_000_000;

const delimiters = {
  ",": ",",
  ";": ";",
  "\t": "\t",
  comma: ",",
  semicolon: ";",
  tab: "\t",
} as const;

export function createImport(
  importer: FileImporter,
  imports: ImportLedger,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { type, source, delimiter } = c.req.valid("query");
    const contentType = c.req.header("content-type") ?? "";
    const origin = callerOf(c.env);
    requireReach(c.env, { type, queue: queueOf(type) });

    const pace = c.env.charge?.paced;
    let chunks: ImportFile["chunks"];
    if (isFeed(contentType)) {
      if (type !== "feed.item") throw wrong("/type", "A feed makes jobs of type feed.item.");
      if (source === undefined) throw wrong("/source", "A feed needs a source.");
      chunks = () => readFeedEntries(c.env, { source, contentType });
    } else if (mediaType(contentType) === "text/csv") {
      const { body } = c.req.raw;
      if (body === null) throw new ProblemError("empty-body");
      refuseEncoded(c.env);
      c.env.takeMemory(csvBytes);
      const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1];
      const bytes = pace === undefined ? body : slowedDown(body, pace);
      chunks = (importId) =>
        readCsvEntries(bytes, {
          type,
          importId,
          delimiter: delimiters[delimiter],
          ...(charset === undefined ? {} : { charset }),
        });
    } else {
      throw new ProblemError("unsupported-media-type", "Send text/csv or a feed.");
    }

    const { id, isPlaced } = await importer.run({ type, origin, chunks, pace });
    const made = await imports.find(origin.tenant, id);
    if (made === undefined) throw new Error("an import was not kept");
    return c.json(made, isPlaced ? 201 : 202, { Location: `/v1/imports/${id}` });
  };
}

function slowedDown(body: ReadableStream<Uint8Array>, pace: Pace): ReadableStream<Uint8Array> {
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      async transform(bytes, controller) {
        await pace.takeBytes(bytes.length);
        controller.enqueue(bytes);
      },
    }),
  );
}

function mediaType(contentType: string): string {
  return contentType.split(";")[0]?.trim().toLowerCase() ?? "";
}

function isFeed(contentType: string): boolean {
  return (feedMediaTypes as readonly string[]).includes(mediaType(contentType));
}

function wrong(pointer: string, detail: string) {
  return new ProblemError("invalid-parameter", undefined, [{ pointer, detail }]);
}
