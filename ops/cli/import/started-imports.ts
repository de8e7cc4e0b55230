import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Env } from "@toril/contract/engine/config/config";

/** Remembers the id of an import until it is done, so that the same command resumes it. */
export interface StartedImport {
  id: string | undefined;
  remember(id: string): void;
  forget(): void;
}

/**
 * Finds the import that an earlier command began for the same file, unchanged, with the same settings.
 * @param settings what else must be equal: address, job type, format
 */
export function findStartedImport(
  env: Env,
  file: string,
  settings: readonly (string | undefined)[],
): StartedImport {
  const base = env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local/state");
  const folder = join(base, "toril/imports");
  const { size, mtimeMs, ino } = statSync(file);
  const subject = JSON.stringify([realpathSync(file), size, mtimeMs, ino, ...settings]);
  const path = join(folder, createHash("sha256").update(subject).digest("hex").slice(0, 32));
  return {
    id: readId(path),
    remember(id) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(path, id, { mode: 0o600 });
    },
    forget: () => rmSync(path, { force: true }),
  };
}

function readId(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}
