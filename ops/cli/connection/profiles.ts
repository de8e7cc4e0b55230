import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Env } from "@toril/contract/engine/config/config";
import { UserError } from "../../dev/user-error.ts";

/** A service and the key for it. */
export interface Profile {
  url: string;
  key?: string;
}

export interface Profiles {
  /** Name of the profile that is used without `--profile`. */
  current?: string;
  profiles: Record<string, Profile>;
}

/** Returns the path of the configuration file (XDG Base Directory Specification). */
export function getProfilesPath(env: Env): string {
  const base = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return join(base, "toril/config.json");
}

export function readProfiles(env: Env): Profiles {
  const path = getProfilesPath(env);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { profiles: {} };
    throw new UserError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const profiles = parseProfiles(text);
  if (profiles === undefined) throw new UserError(`${path} is not a configuration of toril`);
  return profiles;
}

/** Replaces the file. Only its owner can read it, because it contains keys. */
export function writeProfiles(env: Env, profiles: Profiles): void {
  const path = getProfilesPath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, `${JSON.stringify(profiles, undefined, 2)}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

function parseProfiles(text: string): Profiles | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { current, profiles } = (value ?? {}) as Partial<Record<keyof Profiles, unknown>>;
  if (typeof profiles !== "object" || profiles === null || Array.isArray(profiles))
    return undefined;
  if (current !== undefined && typeof current !== "string") return undefined;
  const isValid = Object.values(profiles).every(
    (profile: Partial<Profile> | null) =>
      typeof profile?.url === "string" && ["string", "undefined"].includes(typeof profile.key),
  );
  return isValid ? (value as Profiles) : undefined;
}
