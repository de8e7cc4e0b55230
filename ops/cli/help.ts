import type { Command } from "./command.ts";
import type { Group } from "./commands.ts";

export function renderOverview(groups: Readonly<Record<string, Group>>): string {
  const parts = Object.entries(groups).map(([name, { summary, commands }]) =>
    [`${name}: ${summary}`, ...toLines(name, commands)].join("\n"),
  );
  return `bun run toril <group> <command> [options]\n\n${parts.join("\n\n")}\n\n${footer}`;
}

export function renderGroupHelp(name: string, { summary, commands }: Group): string {
  return [`${name}: ${summary}`, ...toLines(name, commands), "", footer].join("\n");
}

export function renderCommandHelp(name: string, command: Command): string {
  const options = Object.entries(command.options).map(([option, { value, help }]) =>
    renderEntry(`--${option} ${value}`, help),
  );
  const synopsis = renderOperands(command) + (options.length > 0 ? " [options]" : "");
  return [`bun run toril ${name}${synopsis}`, "", command.summary, "", ...options]
    .join("\n")
    .trimEnd();
}

const footer = `--help after a command prints its options.
DATABASE_URL is the address of the ledger; by default, the one of the running \`npm start\`.`;

function toLines(group: string, commands: Readonly<Record<string, Command>>): string[] {
  return Object.entries(commands).map(([name, command]) =>
    renderEntry(`${group} ${name}${renderOperands(command)}`, command.summary),
  );
}

function renderOperands({ operands }: Command): string {
  return operands.map((operand) => ` <${operand}>`).join("");
}

function renderEntry(left: string, right: string): string {
  return `  ${left.padEnd(18)}  ${right}`;
}
