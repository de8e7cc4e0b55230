import { Scope } from "@toril/contract/api/access/scope";
import { type Options, type ParsedArguments, UsageError } from "../command.ts";

/** The options of a key that can be changed. */
export const keyOptions: Options = {
  name: { value: "N", help: "name, for example of the holder" },
  scopes: { value: "A,B", help: `list of ${Scope.options.join(", ")}` },
  queues: { value: "Q,R", help: "restrict the key to these queues (all)" },
  types: { value: "T,U", help: "restrict the key to these job types (all)" },
  rate: { value: "100", help: "enqueued jobs per second (unlimited)" },
  burst: { value: "200", help: "enqueued jobs at once (as --rate)" },
  "max-waiting": { value: "N", help: "pending jobs (unlimited)" },
  bytes: { value: "N", help: "bytes of request bodies per second (unlimited)" },
  expires: { value: "30d", help: "lifetime, like 90s, 15m, 12h or 30d (unlimited)" },
};

/** Parses a quota. */
export function parseCount(
  option: string,
  options: ParsedArguments["options"],
): number | undefined {
  const text = options[option];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new UsageError(`--${option}: must be a whole number`);
  return Number(text);
}

/** Splits a list at commas. */
export function parseList(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

export function parseScopes(text: string): Scope[] {
  return parseList(text).map((scope) => requireValid("scopes", Scope.safeParse(scope)));
}

interface Issue {
  path: readonly PropertyKey[];
  message: string;
}

export type Checked<Value> =
  | { success: true; data: Value }
  | { success: false; error: { issues: readonly Issue[] } };

/** Returns the value, or throws an error that names the options. */
export function requireValid<Value>(option: string, parsed: Checked<Value>): Value {
  if (parsed.success) return parsed.data;
  const messages = parsed.error.issues.map(
    ({ path, message }) => `--${toOption(path) ?? option}: ${message}`,
  );
  throw new UsageError([...new Set(messages)].join("; "));
}

function toOption(path: readonly PropertyKey[]): string | undefined {
  const name = path[0] === "quotas" ? path[1] : path[0];
  return name?.toString().replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
