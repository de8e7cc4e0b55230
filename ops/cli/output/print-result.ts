import type { CommandContext, Options, ParsedArguments } from "../command.ts";
import { createStyle, type Style } from "./style.ts";

/** Option of every command that prints a document. */
export const jsonOption: Options = { json: { help: "print one JSON document" } };

/** Prints the document of a command: as JSON with `--json`, otherwise as text for people. */
export function printResult(
  { flags }: ParsedArguments,
  { print, stdout, env }: CommandContext,
  document: unknown,
  render: (style: Style) => string,
): void {
  const text = flags.has("json") ? JSON.stringify(document) : render(createStyle(stdout, env));
  if (text !== "") print(text);
}

/** Renders `name  value` lines; leaves out lines without a value. */
export function renderFields(fields: readonly (readonly [string, string | null | undefined])[]) {
  const shown = fields.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
