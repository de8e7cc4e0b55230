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
  const json = await readText(option, text, context);
  const parsed = parseJson(new TextEncoder().encode(json));
  if (parsed.status === "ok") return parsed.value;
  const reason =
    parsed.status === "malformed"
      ? parsed.detail
      : `${parsed.error.pointer} ${parsed.error.detail}`;
  throw new UsageError(`--${option} is not acceptable JSON: ${reason.trim()}`);
}

async function readText(option: string, text: string, context: CommandContext): Promise<string> {
  if (text === "-") return readAll(context);
  if (!text.startsWith("@")) return text;
  try {
    return readFileSync(text.slice(1), "utf8");
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`, { cause: error });
  }
}
