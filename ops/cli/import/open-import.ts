import { type Client, type Import, TorilError } from "@toril/client";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { type CommandContext, UsageError } from "../command.ts";
import type { ImportSettings } from "./import-settings.ts";
import { findStartedImport, type StartedImport } from "./started-imports.ts";

/** Finds the import that an earlier command began for the file; undefined for standard input. */
export function findStarted(
  { file, definition, isJson, workbook, partBytes }: ImportSettings,
  { env }: CommandContext,
  url: string,
): StartedImport | undefined {
  if (file === "-") return undefined;
  return findStartedImport(env, file, [
    url,
    JSON.stringify([definition, isJson, workbook]),
    String(partBytes),
  ]);
}

export interface OpenedImport {
  id: string;
  /** Undefined for an import that begins with the request that sends its file. */
  current: Import | undefined;
}

/** Finds the import to resume, or creates one. */
export async function openImport(
  client: Client,
  { definition, workbook, resume }: ImportSettings,
  started: StartedImport | undefined,
  { inform, signal }: CommandContext,
): Promise<OpenedImport> {
  const earlier = resume ?? started?.id;
  // An interrupted command forgets no import: one that is done meanwhile has all rows of the file. An interrupted request
  // leaves a failed import, which the same request continues.
  const isResumable = ({ status }: Import) =>
    ["receiving", "running", "done", ...(workbook === undefined ? [] : ["failed"])].includes(
      status,
    );
  const found =
    earlier === undefined ? undefined : await findImport(client, earlier, isResumable, signal);
  if (found === undefined || found === "ended") {
    if (resume !== undefined) throw new UsageError(`there is no import ${resume} to resume`);
    // Remembered before it is created: a command that is killed in between leaves no second import.
    const id = found === "ended" || earlier === undefined ? createJobId() : earlier;
    started?.remember(id);
    if (workbook !== undefined) return { id, current: undefined };
    return { id, current: await client.defineImport({ ...definition, id }, { signal }) };
  }
  inform(
    found.status === "done"
      ? `The import ${found.id} of this file is done; its rows are not imported again.`
      : `Resuming the import ${found.id}.`,
  );
  return { id: found.id, current: found };
}

/** Returns undefined for an import that was never created. */
async function findImport(
  client: Client,
  id: string,
  isResumable: (found: Import) => boolean,
  signal: AbortSignal,
): Promise<Import | "ended" | undefined> {
  try {
    const found = await client.getImport(id, { signal });
    return isResumable(found) ? found : "ended";
  } catch (error) {
    if (!(error instanceof TorilError)) throw error;
    if (error.problem.status === 404) return undefined;
    if (error.problem.status === 410) return "ended";
    throw error;
  }
}
