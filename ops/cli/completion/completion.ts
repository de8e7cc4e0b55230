import { type Command, type CommandTable, getOperand, UsageError } from "../command.ts";
import { renderBash } from "./bash.ts";
import { type CompletedPath, listCompletions } from "./completed-words.ts";
import { renderFish } from "./fish.ts";
import { renderZsh } from "./zsh.ts";

const shells: Readonly<
  Record<string, (paths: readonly CompletedPath[], groups: readonly string[]) => string>
> = {
  bash: renderBash,
  zsh: renderZsh,
  fish: renderFish,
};

/** Creates the command that prints completion scripts for all commands of the table. */
export function createCompletion(getTable: () => CommandTable): Command {
  return {
    summary: "print the completion script for bash, zsh or fish",
    operands: ["shell"],
    options: {},
    async run(parsed, { print }) {
      const shell = getOperand(parsed);
      const render = Object.hasOwn(shells, shell) ? shells[shell] : undefined;
      if (render === undefined) {
        throw new UsageError(
          `completion takes one of ${Object.keys(shells).join(", ")}, not "${shell}"`,
        );
      }
      const table = getTable();
      print(render(listCompletions(table), Object.keys(table.groups)));
    },
  };
}
