import { readFileSync } from "node:fs";
import { parseJson } from "@toril/contract/api/json/json";
import { type CommandContext, UsageError } from "../command.ts";
import { readAll } from "../output/read-input.ts";

/** Parses `--data`: JSON, `-` for standard input, or `@FILE`. Refuses numbers that JavaScript would change. */
export async function readJobData(
  text: string | undefined,
  context: CommandContext,
): Promise<unknown> {
  if (text === undefined) return {};
  const json = await readText(text, context);
  const parsed = parseJson(new TextEncoder().encode(json));
  if (parsed.status === "ok") return parsed.value;
  const reason =
    parsed.status === "malformed"
      ? parsed.detail
      : `${parsed.error.pointer} ${parsed.error.detail}`;
  throw new UsageError(`--data is not acceptable JSON: ${reason.trim()}`);
}

async function readText(text: string, context: CommandContext): Promise<string> {
  if (text === "-") return readAll(context);
  if (!text.startsWith("@")) return text;
  try {
    return readFileSync(text.slice(1), "utf8");
  } catch (error) {
    throw new UsageError(`--data: ${(error as Error).message}`, { cause: error });
  }
}
