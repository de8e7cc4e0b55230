import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient } from "@toril/client";
import { type CommandContext, type Options, type ParsedArguments, UsageError } from "../command.ts";
import { jsonOption } from "../output/print-result.ts";
import { readProfiles } from "./profiles.ts";

/** Options of every command that calls the service. */
export const connectionOptions: Options = {
  ...jsonOption,
  url: { value: "URL", help: "address of the service (TORIL_URL, or the profile)" },
  key: { value: "KEY", help: "API key (TORIL_KEY, TORIL_KEY_FILE, or the profile)" },
  profile: { value: "NAME", help: "profile to use (TORIL_PROFILE, or the current one)" },
};

export interface Connection {
  url: string;
  key: string | undefined;
}

/** Creates a client of the service that options, environment or profiles name. */
export function connect(parsed: ParsedArguments, context: CommandContext): Client {
  const { url, key } = findConnection(parsed, context);
  return createClient({ baseUrl: url, apiKey: key });
}

/** Finds the address of the service and the key. The key of a profile is sent only to the address of that profile. */
export function findConnection(
  { options }: ParsedArguments,
  { env, directory }: Pick<CommandContext, "env" | "directory">,
): Connection {
  const url = options["url"] ?? (env["TORIL_URL"] || undefined);
  const key = options["key"] ?? readKey(env);
  const name = options["profile"] ?? (env["TORIL_PROFILE"] || undefined);
  if (options["url"] !== undefined && options["profile"] !== undefined) {
    throw new UsageError("--url and --profile are mutually exclusive");
  }
  if (url !== undefined && options["profile"] === undefined) return { url: toUrl(url), key };
  const { current, profiles } = readProfiles(env);
  const chosen = name ?? current;
  if (chosen !== undefined) {
    const profile = Object.hasOwn(profiles, chosen) ? profiles[chosen] : undefined;
    if (profile === undefined) throw new UsageError(`there is no profile "${chosen}"`);
    return { url: toUrl(profile.url), key: key ?? profile.key };
  }
  return { url: findLocalUrl(directory), key };
}

/** Whether an option, the environment or a profile names the service or a key. */
export function namesService(
  { options }: ParsedArguments,
  { env }: Pick<CommandContext, "env">,
): boolean {
  return (
    ["url", "key", "profile"].some((name) => name in options) ||
    ["TORIL_URL", "TORIL_KEY", "TORIL_KEY_FILE", "TORIL_PROFILE"].some((name) => env[name]) ||
    readProfiles(env).current !== undefined
  );
}

/** Checks that a text is the address of a service. */
export function toUrl(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return text;
  throw new UsageError(`"${text}" is not an http:// or https:// address`);
}

function readKey(env: CommandContext["env"]): string | undefined {
  const file = env["TORIL_KEY_FILE"];
  if (env["TORIL_KEY"] || !file) return env["TORIL_KEY"] || undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new UsageError(`TORIL_KEY_FILE cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Returns the address of the `npm start` that runs in the folder, otherwise the default address. */
function findLocalUrl(directory: string): string {
  const file = join(directory, ".toril/env");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const port = /^PORT='?(\d+)'?$/m.exec(text)?.[1] ?? "3000";
  return `http://127.0.0.1:${port}`;
}
