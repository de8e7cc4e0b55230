import type { ImportDefinition } from "@toril/contract/api/import";
import { limits } from "@toril/contract/api/limits";
import { isEncoded, readBytes, readEncodedBytes } from "../../http/body.ts";
import { ProblemError } from "../../http/problem.ts";
import type { RequestContext } from "../../http/request-context.ts";
import { decompressBytes } from "../formats/decompress.ts";
import { toImportProblem } from "../import-errors.ts";
import { parseContentRange, type PartPosition, verifyDigest } from "./part-headers.ts";
import { fileBytes, findRowFormat, toProblemKind } from "../formats/row-file.ts";

/** The position is that before compression. */
export interface ReceivedPart extends PartPosition {
  /** Decompressed. */
  body: Uint8Array;
}

/** Reads the body of a part. Throws a problem unless format, digest and byte range are right. */
export async function readPart(
  context: RequestContext,
  { format }: Pick<ImportDefinition, "format">,
): Promise<ReceivedPart> {
  const { request, quota } = context;
  const { headers } = request;
  if (findRowFormat(headers.get("content-type") ?? "") !== format) {
    const expected = format === "csv" ? "text/csv" : "application/x-ndjson";
    throw new ProblemError("unsupported-media-type", `Send ${expected}.`);
  }
  const isCompressed = isEncoded(request);
  const sent = isCompressed
    ? await readEncodedBytes(context, limits.importPartBytes)
    : await readBytes(context, limits.importPartBytes, quota);
  context.takeMemory(fileBytes);
  verifyDigest(headers.get("content-digest") ?? undefined, sent);
  const body = isCompressed ? await decompressPart(context, sent, format) : sent;
  if (isCompressed) await quota?.takeBytes(body.length);
  return {
    body,
    ...parseContentRange(headers.get("content-range") ?? undefined, body.length),
  };
}

async function decompressPart(
  context: RequestContext,
  sent: Uint8Array,
  format: ImportDefinition["format"],
): Promise<Uint8Array> {
  try {
    const body = await decompressBytes(sent, context.request.headers.get("content-encoding"), {
      problem: toProblemKind(format),
      maxBytes: limits.importPartBytes,
      takeMemory: (bytes) => context.takeMemory(bytes),
    });
    if (body.length === 0) throw new ProblemError("empty-body");
    return body;
  } catch (error) {
    throw toImportProblem(error);
  }
}
