import { createReadStream } from "node:fs";
import {
  type Client,
  createClient,
  type Import,
  splitCsv,
  splitNdjson,
  TorilError,
} from "@toril/client";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { findConnection } from "../connection/connect.ts";
import { describeProblem } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { createImportProgress, type ImportProgress } from "./import-progress.ts";
import { importOptions, type ImportSettings, parseImportSettings } from "./import-settings.ts";
import { findStarted, openImport } from "./open-import.ts";
import { getImportExitCode, renderImport } from "./render-import.ts";

const pollMs = 500;
/** About five minutes: a service that restarts interrupts no import. */
const retry = { attempts: 60, delayMs: 250, maxDelayMs: 5000 };

export const importFile: Command = {
  summary:
    "import a CSV or NDJSON file in parallel parts; the same command resumes an interrupted import",
  operands: ["file"],
  options: importOptions,
  async run(parsed, context) {
    const settings = await parseImportSettings(parsed, context);
    const { url, key } = findConnection(parsed, context);
    const client = createClient({ baseUrl: url, apiKey: key, retry });
    const started = findStarted(settings, context, url);
    const progress = createImportProgress(
      parsed.flags.has("json") && context.stderr.isTTY !== true ? { write() {} } : context.stderr,
      settings.size,
    );
    const { signal } = context;
    const current = await openImport(client, settings, started, context);
    const { id } = current;
    const finished = new AbortController();
    const shown = watch(client, id, progress, AbortSignal.any([signal, finished.signal]));
    let imported: Import;
    try {
      imported = await sendFile(client, current, settings, { context, progress });
      if (!parsed.flags.has("no-wait")) imported = await waitForEnd(client, imported, signal);
    } catch (error) {
      if (isRefused(error)) {
        const failed = await findFailed(client, id);
        if (failed === undefined) throw error;
        imported = failed;
        context.inform(`\n${describeProblem(error.problem)}`);
      } else {
        context.inform(`\nThe import ${id} is incomplete. ${resumeHint(settings, id)}`);
        throw error;
      }
    } finally {
      finished.abort();
      await shown;
    }
    progress.show(imported);
    progress.end();
    started?.forget();
    printResult(parsed, context, imported, (style) => renderImport(imported, style));
    return getImportExitCode(imported);
  },
};

async function sendFile(
  client: Client,
  current: Import,
  { file, parallel, definition, partBytes }: ImportSettings,
  { context, progress }: { context: CommandContext; progress: ImportProgress },
): Promise<Import> {
  const { id, parts } = current;
  // An interrupted command may have completed it.
  if (parts === null || parts.total !== null) return current;
  const { signal } = context;
  const source = file === "-" ? context.openInput() : createReadStream(file);
  const split = splitFile(source as AsyncIterable<Uint8Array>, definition, partBytes);
  const count = await client.sendImportParts(id, split, {
    parallel,
    signal,
    contentType: contentTypes[definition.format ?? "csv"],
    onPart: ({ bytes }) => progress.addBytes(bytes.length),
  });
  if (count === 0) throw new UsageError("the file is empty");
  return client.completeImport(id, count, { signal });
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

/** Whether the service will refuse the file again. */
function isRefused(error: unknown): error is TorilError {
  return error instanceof TorilError && [400, 409, 422].includes(error.problem.status);
}

/** Returns an import that failed because of its content. */
async function findFailed(client: Client, id: string): Promise<Import | undefined> {
  // The caller then reports the refusal, which says more than the failure of this request.
  const found = await client.getImport(id).catch(() => undefined);
  return found?.status === "failed" ? found : undefined;
}

async function waitForEnd(client: Client, imported: Import, signal: AbortSignal): Promise<Import> {
  let snapshot = imported;
  while (snapshot.status === "receiving" || snapshot.status === "running") {
    await pause(signal);
    snapshot = await client.getImport(imported.id, { signal });
  }
  return snapshot;
}

/** Shows the progress until the signal is aborted. */
async function watch(
  client: Client,
  id: string,
  progress: ImportProgress,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      progress.show(await client.getImport(id, { signal }));
      await pause(signal);
    }
  } catch {
    // Aborted, or the service is gone: then sending the file fails with the reason.
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, pollMs);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

function resumeHint({ file }: ImportSettings, id: string): string {
  return file === "-"
    ? `Repeat the command with the same input and --resume ${id} to resume it.`
    : "Repeat the command to resume it.";
}
