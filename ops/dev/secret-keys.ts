import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Where the processes find the keys for secrets: the caller's own, or a file beside the data, made the first time.
 * Keep the file with the data: without it, no secret in the data can be read again.
 */
export function keepSecretKeys(dataDir: string, env: NodeJS.ProcessEnv): Record<string, string> {
  if (env["SECRET_KEYS"] || env["SECRET_KEYS_FILE"]) return {};
  const path = join(dataDir, "secret-keys");
  if (!existsSync(path)) {
    writeFileSync(path, `start:${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  }
  return { SECRET_KEYS_FILE: path };
}
