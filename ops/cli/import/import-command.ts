import { createReadStream, statSync } from "node:fs";
import { type Client, createClient, type Import, splitCsv, TorilError } from "@toril/client";
import {
  type Command,
  type CommandContext,
  getOperand,
  parseNumber,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { connectionOptions, findConnection } from "../connection/connect.ts";
import { exitCodes } from "../output/exit-codes.ts";
import { printResult, renderFields } from "../output/print-result.ts";
import { toPrintable } from "../output/render-table.ts";
import { type Style, styleStatus } from "../output/style.ts";
import { createImportProgress, type ImportProgress } from "./import-progress.ts";
import { sendParts } from "./send-parts.ts";
import { findStartedImport, type StartedImport } from "./started-imports.ts";

const pollMs = 500;
/** About five minutes: a service that restarts interrupts no import. */
const retry = { attempts: 60, delayMs: 250, maxDelayMs: 5000 };

export const importFile: Command = {
  summary: "import a CSV file in parallel parts; the same command resumes an interrupted import",
  operands: ["file"],
  options: {
    type: { value: "T", help: "job type of the rows" },
    parallel: { value: "N", help: "parts that are sent at the same time, at most 64 (4)" },
    delimiter: {
      value: "C",
      help: "one character, or comma, semicolon, tab, pipe, space (comma; tab for .tsv)",
    },
    encoding: { value: "E", help: "encoding of the file, for example windows-1252 (utf-8)" },
    "part-size": { value: "BYTES", help: "size of a part, at most 8000000 (4000000)" },
    resume: { value: "ID", help: "import to resume; needed for standard input only" },
    "no-wait": { help: "return when all rows are accepted, not when all jobs are done" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const settings = parseSettings(parsed);
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
      context.inform(`\nThe import ${id} is incomplete. ${resumeHint(settings, id)}`);
      throw error;
    } finally {
      finished.abort();
      await shown;
    }
    progress.show(imported);
    progress.end();
    started?.forget();
    printResult(parsed, context, imported, (style) => renderImport(imported, style));
    return getExitCode(imported);
  },
};

interface Settings {
  /** `-` for standard input. */
  file: string;
  size: number | undefined;
  type: string;
  parallel: number;
  delimiter: string;
  encoding: string | undefined;
  partBytes: number;
  resume: string | undefined;
}

function parseSettings(parsed: ParsedArguments): Settings {
  const { options } = parsed;
  const file = getOperand(parsed);
  const { type } = options;
  if (type === undefined) throw new UsageError("--type is missing");
  return {
    file,
    size: file === "-" ? undefined : readSize(file),
    type,
    parallel: parseNumber(parsed, "parallel", [1, 64]) ?? 4,
    delimiter: options["delimiter"] ?? (file.endsWith(".tsv") ? "tab" : "comma"),
    encoding: options["encoding"],
    partBytes: parseNumber(parsed, "part-size", [1000, 8_000_000]) ?? 4_000_000,
    resume: options["resume"],
  };
}

function readSize(file: string): number {
  try {
    const found = statSync(file);
    if (!found.isFile()) throw new Error("it is not a file");
    return found.size;
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function findStarted(
  { file, type, delimiter, encoding, partBytes }: Settings,
  { env }: CommandContext,
  url: string,
): StartedImport | undefined {
  if (file === "-") return undefined;
  return findStartedImport(env, file, [url, type, delimiter, encoding, String(partBytes)]);
}

/** Finds the import to resume, or creates one. */
async function openImport(
  client: Client,
  settings: Settings,
  started: StartedImport | undefined,
  { inform, signal }: CommandContext,
): Promise<Import> {
  const earlier = settings.resume ?? started?.id;
  const found = earlier === undefined ? undefined : await findOpen(client, earlier, signal);
  if (found !== undefined) {
    inform(`Resuming the import ${found.id}.`);
    return found;
  }
  if (settings.resume !== undefined) {
    throw new UsageError(`there is no unfinished import ${settings.resume}`);
  }
  const { type, delimiter, encoding } = settings;
  const created = await client.defineImport({ type, delimiter, encoding }, { signal });
  started?.remember(created.id);
  return created;
}

async function findOpen(client: Client, id: string, signal: AbortSignal) {
  try {
    const found = await client.getImport(id, { signal });
    return ["receiving", "running"].includes(found.status) ? found : undefined;
  } catch (error) {
    if (error instanceof TorilError && [404, 410].includes(error.problem.status)) return undefined;
    throw error;
  }
}

async function sendFile(
  client: Client,
  current: Import,
  { file, parallel, delimiter, encoding, partBytes }: Settings,
  { context, progress }: { context: CommandContext; progress: ImportProgress },
): Promise<Import> {
  const { id, parts } = current;
  // An interrupted command may have completed it.
  if (parts === null || parts.total !== null) return current;
  const { signal } = context;
  const source = file === "-" ? context.openInput() : createReadStream(file);
  const split = splitCsv(source as AsyncIterable<Uint8Array>, {
    delimiter,
    partBytes,
    ...(encoding === undefined ? {} : { encoding }),
  });
  const count = await sendParts(client, id, split, {
    parallel,
    signal,
    onPart: ({ bytes }) => progress.addBytes(bytes.length),
  });
  if (count === 0) throw new UsageError("the file is empty");
  return client.completeImport(id, count, { signal });
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

function resumeHint({ file }: Settings, id: string): string {
  return file === "-"
    ? `Repeat the command with the same input and --resume ${id} to resume it.`
    : "Repeat the command to resume it.";
}

function renderImport({ id, status, counts, errors }: Import, style: Style): string {
  const fields = renderFields([
    ["import", id],
    ["status", styleStatus(style, status)],
    ...Object.entries(counts).map(([name, count]) => [name, String(count)] as const),
  ]);
  const lines = errors.map(({ line, problem }) => {
    const detail = problem.errors?.map((error) => `${error.pointer} ${error.detail}`).join("; ");
    return style("red", toPrintable(`line ${line}: ${detail ?? problem.detail ?? problem.title}`));
  });
  return [fields, ...lines].join("\n");
}

function getExitCode({ status, counts }: Import): number {
  if (counts.rejected > 0) return exitCodes.rejected;
  const hasFailed = status === "failed" || status === "cancelled" || counts.dead > 0;
  return hasFailed ? exitCodes.failed : exitCodes.ok;
}
