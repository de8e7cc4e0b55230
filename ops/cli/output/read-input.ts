import type { CommandContext } from "../command.ts";

/** Reads standard input to its end. */
export function readAll({ openInput }: Pick<CommandContext, "openInput">): Promise<string> {
  return new Response(openInput()).text();
}
