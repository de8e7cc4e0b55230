import { type Client, createClient, type Import, TorilError } from "@toril/client";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { findConnection } from "../connection/connect.ts";
import { describeProblem } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { watchImport, waitWhile } from "./follow-import.ts";
import { createImportProgress } from "./import-progress.ts";
import { importOptions, type ImportSettings, parseImportSettings } from "./import-settings.ts";
import { findStarted, openImport } from "./open-import.ts";
import { getImportExitCode, renderImport } from "./render-import.ts";
import { sendFile } from "./send-file.ts";
import type { StartedImport } from "./started-imports.ts";

/** About five minutes: a service that restarts interrupts no import. */
const retry = { attempts: 60, delayMs: 250, maxDelayMs: 5000 };

export const importFile: Command = {
  summary:
    "import a CSV, NDJSON or JSON file in parallel parts, or an .xlsx file; the same command resumes an interrupted import",
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
    const opened = await openImport(client, settings, started, context);
    const { id } = opened;
    const finished = new AbortController();
    const shown = watchImport(client, id, progress, AbortSignal.any([signal, finished.signal]));
    let imported: Import;
    try {
      imported = await sendFile(client, opened, settings, { context, progress });
      if (!parsed.flags.has("no-wait")) {
        imported = await waitWhile(client, imported, ["receiving", "running"], signal);
      }
    } catch (error) {
      if (!isRefused(error)) {
        context.inform(`\nThe import ${id} is incomplete. ${resumeHint(settings, id)}`);
        throw error;
      }
      const reason = toOptionNames(error);
      // The refusal says more than the failure of a request to find the import.
      const refused = await client.getImport(id).catch(() => undefined);
      if (refused?.status !== "failed" || !(reason instanceof TorilError)) {
        if (refused?.status === "receiving") await endRefused(client, refused, started, context);
        throw reason;
      }
      imported = refused;
      context.inform(`\n${describeProblem(reason.problem)}`);
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

/** Whether the file will be refused again, by the service or by this command. */
function isRefused(error: unknown): error is TorilError | UsageError {
  if (error instanceof UsageError) return true;
  return error instanceof TorilError && [400, 409, 413, 422].includes(error.problem.status);
}

/** Cancels an import whose file was refused, unless some of its rows are accepted. */
async function endRefused(
  client: Client,
  { id, counts }: Import,
  started: StartedImport | undefined,
  { inform, signal }: CommandContext,
): Promise<void> {
  if (counts.accepted > 0) {
    const hint = `"toril imports cancel ${id}" cancels them`;
    return inform(
      `\nThe import ${id} is incomplete: ${counts.accepted} rows are accepted; ${hint}.`,
    );
  }
  // The refusal is what the user must read; an import that stays open changes nothing.
  await client.cancelImport(id, { signal }).catch(() => {});
  started?.forget();
}

/** Names the options of this command instead of the parameters of the API, as in `delimiter=semicolon`. */
function toOptionNames(error: TorilError | UsageError): TorilError | UsageError {
  if (error instanceof UsageError || error.problem.detail === undefined) return error;
  const detail = error.problem.detail
    .replaceAll("header=absent", "--no-header")
    .replaceAll("header=present", "--header")
    .replaceAll(/\b(delimiter|encoding)=(?=\w)/g, "--$1 ");
  return new TorilError({ ...error.problem, detail }, error.retryAfterMs);
}

function resumeHint({ file }: ImportSettings, id: string): string {
  return file === "-"
    ? `Repeat the command with the same input and --resume ${id} to resume it.`
    : "Repeat the command to resume it.";
}
