import { type Client, createClient, type Import, TorilError } from "@toril/client";
import type { Command } from "../command.ts";
import { findConnection } from "../connection/connect.ts";
import { describeProblem } from "../output/exit-codes.ts";
import { printResult } from "../output/print-result.ts";
import { watchImport, waitWhile } from "./follow-import.ts";
import { createImportProgress } from "./import-progress.ts";
import { importOptions, type ImportSettings, parseImportSettings } from "./import-settings.ts";
import { findStarted, openImport } from "./open-import.ts";
import { getImportExitCode, renderImport } from "./render-import.ts";
import { sendFile } from "./send-file.ts";

/** About five minutes: a service that restarts interrupts no import. */
const retry = { attempts: 60, delayMs: 250, maxDelayMs: 5000 };

export const importFile: Command = {
  summary:
    "import a CSV or NDJSON file in parallel parts, or an .xlsx file; the same command resumes an interrupted import",
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

/** Whether the service will refuse the file again. */
function isRefused(error: unknown): error is TorilError {
  return error instanceof TorilError && [400, 409, 413, 422].includes(error.problem.status);
}

/** Returns an import that failed because of its content. */
async function findFailed(client: Client, id: string): Promise<Import | undefined> {
  // The caller then reports the refusal, which says more than the failure of this request.
  const found = await client.getImport(id).catch(() => undefined);
  return found?.status === "failed" ? found : undefined;
}

function resumeHint({ file }: ImportSettings, id: string): string {
  return file === "-"
    ? `Repeat the command with the same input and --resume ${id} to resume it.`
    : "Repeat the command to resume it.";
}
