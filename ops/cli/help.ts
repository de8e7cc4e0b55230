import type { Command } from "./command.ts";
import type { Group } from "./commands.ts";

export function overview(groups: Readonly<Record<string, Group>>): string {
  const parts = Object.entries(groups).map(([name, { summary, commands }]) =>
    [`${name}: ${summary}`, ...linesOf(name, commands)].join("\n"),
  );
  return `bun run toril <group> <command> [options]\n\n${parts.join("\n\n")}\n\n${footer}`;
}

export function groupHelp(name: string, { summary, commands }: Group): string {
  return [`${name}: ${summary}`, ...linesOf(name, commands), "", footer].join("\n");
}

export function commandHelp(name: string, command: Command): string {
  const options = Object.entries(command.options).map(([option, { value, help }]) =>
    entry(`--${option} ${value}`, help),
  );
  const synopsis = operandsOf(command) + (options.length > 0 ? " [options]" : "");
  return [`bun run toril ${name}${synopsis}`, "", command.summary, "", ...options]
    .join("\n")
    .trimEnd();
}

const footer = `--help after a command tells its options.
DATABASE_URL says where the ledger is; without it, that of the \`npm start\` that runs here.`;

function linesOf(group: string, commands: Readonly<Record<string, Command>>): string[] {
  return Object.entries(commands).map(([name, command]) =>
    entry(`${group} ${name}${operandsOf(command)}`, command.summary),
  );
}

function operandsOf({ operands }: Command): string {
  return operands.map((operand) => ` <${operand}>`).join("");
}

function entry(left: string, right: string): string {
  return `  ${left.padEnd(18)}  ${right}`;
}
