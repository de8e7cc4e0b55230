import { openAsBlob } from "node:fs";
import {
  type Client,
  type Import,
  splitCsv,
  splitNdjson,
  TorilError,
  xlsxMediaType,
} from "@toril/client";
import { type CommandContext, UsageError } from "../command.ts";
import { pause, waitWhile } from "./follow-import.ts";
import type { ImportProgress } from "./import-progress.ts";
import type { ImportSettings } from "./import-settings.ts";
import type { OpenedImport } from "./open-import.ts";
import { openRows } from "./open-rows.ts";

interface Sending {
  context: CommandContext;
  progress: ImportProgress;
}

/** Sends the file of an import, as far as the service does not have it yet. Resolves when all rows are accepted or rejected. */
export function sendFile(
  client: Client,
  opened: OpenedImport,
  settings: ImportSettings,
  sending: Sending,
): Promise<Import> {
  return settings.workbook === undefined
    ? sendInParts(client, opened, settings, sending)
    : sendWorkbook(client, opened, settings, sending);
}

async function sendInParts(
  client: Client,
  { id, current }: OpenedImport,
  { file, isJson, parallel, definition, partBytes, compress }: ImportSettings,
  { context, progress }: Sending,
): Promise<Import> {
  // An interrupted command may have completed it.
  if (current !== undefined && (current.parts === null || current.parts.total !== null)) {
    return current;
  }
  const { signal } = context;
  const split = splitFile(openRows({ file, isJson }, context), definition, partBytes);
  const count = await client.sendImportParts(id, split, {
    parallel,
    signal,
    compress,
    contentType: contentTypes[definition.format ?? "csv"],
    onPart({ bytes }) {
      progress.addBytes(bytes.length);
      // Otherwise the memory of many parts waits for the garbage collector. Node 20 lacks the method.
      bytes.buffer.transfer?.(0);
    },
  });
  if (count === 0) throw new UsageError("the file is empty");
  return client.completeImport(id, count, { signal });
}

/** Sends a workbook as one request; with the same id and key, a repeated request continues the import. */
async function sendWorkbook(
  client: Client,
  { id, current }: OpenedImport,
  { file, definition, workbook }: ImportSettings,
  { context }: Sending,
): Promise<Import> {
  const { signal } = context;
  if (current !== undefined) {
    // A producer that has the whole file reads it without its client; if the producer has crashed, the import fails.
    const read = await waitWhile(client, current, ["receiving"], signal);
    if (read.status !== "failed") return read;
  }
  const { type, header, key, callbackUrl, then, unknownColumns, maxErrors } = definition;
  const { dryRun, mapping, options } = definition;
  const body =
    file === "-" ? await new Response(context.openInput()).blob() : await openAsBlob(file);
  const query = {
    type,
    id,
    sheet: workbook?.sheet,
    header,
    key,
    callbackUrl,
    then,
    unknownColumns,
    maxErrors,
    dryRun: dryRun ? ("true" as const) : ("false" as const),
    mapping: mapping && JSON.stringify(mapping),
    options: options && JSON.stringify(options),
    contentType: xlsxMediaType,
  };
  for (;;) {
    try {
      return await client.createImport(body, query, { idempotencyKey: id, signal });
    } catch (error) {
      // Only this command uses the key: the service still processes the request of an interrupted run.
      if (!isKeyInUse(error)) throw error;
      await pause(signal);
    }
  }
}

function isKeyInUse(error: unknown): boolean {
  return (
    error instanceof TorilError && error.problem.type === "urn:toril:problem:idempotency-key-in-use"
  );
}

const contentTypes = { csv: "text/csv", ndjson: "application/x-ndjson" } as const;

function splitFile(
  source: AsyncIterable<Uint8Array>,
  { format, delimiter, encoding }: ImportSettings["definition"],
  partBytes: number,
) {
  if (format === "ndjson") return splitNdjson(source, { partBytes });
  return splitCsv(source, {
    partBytes,
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(encoding === undefined ? {} : { encoding }),
  });
}
