import { readFileSync } from "node:fs";
import { parseJson } from "@toril/contract/api/json/json";
import { type CommandContext, UsageError } from "../command.ts";

/** Reads standard input to its end. */
export function readAll({ openInput }: Pick<CommandContext, "openInput">): Promise<string> {
  return new Response(openInput()).text();
}

/** As `readAll`, for a file that need not be UTF-8. */
export function readAllBytes({
  openInput,
}: Pick<CommandContext, "openInput">): Promise<Uint8Array> {
  return new Response(openInput()).bytes();
}

/**
 * Parses the value of an option: JSON, `-` for standard input, or `@FILE`. Refuses numbers that JavaScript would change.
 * @param option its name, for the error
 */
export async function readJson(
  option: string,
  text: string,
  context: CommandContext,
): Promise<unknown> {
  const name = `--${option}`;
  if (text === "-") return parse(name, await readAll(context));
  return parse(name, text.startsWith("@") ? readFile(name, text.slice(1)) : text);
}

/** As `readJson`, for an operand: a path, or `-` for standard input. */
export async function readJsonFile(file: string, context: CommandContext): Promise<unknown> {
  return parse(file, file === "-" ? await readAll(context) : readFile(file, file));
}

function parse(name: string, json: string): unknown {
  const parsed = parseJson(new TextEncoder().encode(json));
  if (parsed.status === "ok") return parsed.value;
  const reason =
    parsed.status === "malformed"
      ? parsed.detail
      : `${parsed.error.pointer} ${parsed.error.detail}`;
  throw new UsageError(`${name} is not acceptable JSON: ${reason.trim()}`);
}

function readFile(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message}`, { cause: error });
  }
}
