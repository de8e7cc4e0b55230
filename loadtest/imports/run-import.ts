import { join } from "node:path";
import type { Import } from "@toril/client";

import { until } from "../../ops/dev/until.ts";
import { startImportClient } from "./client.ts";
import type { ImportedFile } from "./files.ts";
import type { ImportStack } from "./stack.ts";
import { requireSameFile } from "./verify.ts";

export type Victim = "client" | number;

/** A process that is killed with SIGKILL, and restarted, when this share of the rows is accepted. */
export interface Kill {
  at: number;
  /** The client, or the index of a producer. */
  victim: Victim;
}

export interface ImportRunSettings {
  file: ImportedFile;
  parallel: number;
  partBytes?: number | undefined;
  kills: readonly Kill[];
  /** Called after the last kill. */
  onKilled?: () => Promise<void>;
}

export interface ImportRun {
  imported: Import;
  killed: Victim[];
  /** From the start of the command until all rows were accepted, and until all jobs were done. */
  acceptedSeconds: number;
  doneSeconds: number;
}

/**
 * Imports a file with `toril import` while processes are killed, and compares the ledger with the file.
 * @throws if a row is missing, was recorded twice or is not completed, or if the ledger does not reproduce the file
 */
export async function runImport(
  stack: ImportStack,
  { file, parallel, partBytes, kills, onKilled }: ImportRunSettings,
): Promise<ImportRun> {
  const { root, dir, url, stores, signal } = stack;
  const { sql } = stores;
  const countImports = async () => {
    const [row] = (await sql`select count(*)::int as count from imports`) as { count: number }[];
    return row?.count ?? 0;
  };
  const earlier = await countImports();
  const progress = async () => {
    const [row] = (await sql`
      select status, (
        select coalesce(sum(accepted), 0) from import_parts where import_id = imports.id)::int as accepted
      from imports where (select count(*) from imports) > ${earlier} order by created_at desc limit 1`) as {
      status: string;
      accepted: number;
    }[];
    return row ?? { status: "", accepted: 0 };
  };

  const startedAt = performance.now();
  const getSeconds = () => (performance.now() - startedAt) / 1000;
  const settings = { root, url, dir: join(dir, "client"), file: file.path, parallel, partBytes };
  await using client = startImportClient(settings);
  const wait = (what: string, probe: () => Promise<true | undefined>) =>
    Promise.race([until(what, probe, { timeoutMs: 600_000, everyMs: 20, signal }), client.done]);

  const killed: Victim[] = [];
  for (const { at, victim } of kills) {
    const isReached = async () => (await progress()).accepted >= at * file.rows || undefined;
    await wait(`${at * 100}% of the rows are accepted`, isReached);
    // A small file may be done before the last kill.
    if (client.hasEnded) break;
    await kill(victim);
    killed.push(victim);
  }
  await onKilled?.();
  const isReceived = async () => (await progress()).status === "received" || undefined;
  await wait("all rows are accepted", isReceived);
  const acceptedSeconds = getSeconds();
  const imported = await client.done;
  const doneSeconds = getSeconds();
  requireAllRows(imported, file.rows);
  if ((await countImports()) !== earlier + 1) throw new Error("the import was not resumed");
  await requireSameFile(sql, imported.id, file);
  return { imported, killed, acceptedSeconds, doneSeconds };

  async function kill(victim: Victim): Promise<void> {
    if (victim === "client") return client.kill();
    const producer = stack.producers[victim];
    if (producer === undefined) throw new Error(`there is no producer ${victim}`);
    await producer.kill("SIGKILL");
    await producer.restart();
  }
}

/** Throws unless all rows are accepted and completed. */
export function requireAllRows({ status, counts }: Import, rows: number): void {
  const { read, accepted, completed } = counts;
  if (status === "done" && read === rows && accepted === rows && completed === rows) return;
  throw new Error(
    `the file has ${rows} rows, but the import is ${status}: ${JSON.stringify(counts)}`,
  );
}
