import type { Command, Commands, Group } from "./command.ts";
import { groups, sections } from "./commands.ts";

export function renderOverview(): string {
  const parts = [
    ...Object.entries(sections).map(([heading, commands]) =>
      [heading, ...toLines("", commands)].join("\n"),
    ),
    ...Object.entries(groups).map(([name, { summary, commands }]) =>
      [`${name}: ${summary}`, ...toLines(`${name} `, commands)].join("\n"),
    ),
  ];
  return `toril <command> [options]\n\n${parts.join("\n\n")}\n\n${footer}`;
}

export function renderGroupHelp(name: string, { summary, commands }: Group): string {
  return [`${name}: ${summary}`, ...toLines(`${name} `, commands), "", footer].join("\n");
}

export function renderCommandHelp(name: string, command: Command): string {
  const options = Object.entries(command.options).map(([option, { value, help, short }]) => {
    const left = [...(short === undefined ? [] : [`-${short},`]), `--${option}`, value ?? ""];
    return renderEntry(left.join(" ").trim(), help);
  });
  const synopsis = renderOperands(command) + (options.length > 0 ? " [options]" : "");
  return [`toril ${name}${synopsis}`, "", command.summary, "", ...options].join("\n").trimEnd();
}

const footer = `--help after a command prints its options, toril --version the version.
Exit codes: 0 success, 1 failure, 2 invalid arguments, 3 not found, 4 conflict, 5 not permitted,
6 unavailable, 7 some entries were rejected, 130 interrupted.`;

function toLines(prefix: string, commands: Commands): string[] {
  return Object.entries(commands).map(([name, command]) =>
    renderEntry(`${prefix}${name}${renderOperands(command)}`, command.summary),
  );
}

/** Renders operands with a space before each: ` <type> [<id>...]`. */
export function renderOperands({ operands }: Command): string {
  return operands
    .map((operand) => {
      const [, name = "", suffix = ""] = /^(.*?)(\?|\*|\.\.\.)?$/.exec(operand) ?? [];
      if (suffix === "?") return ` [<${name}>]`;
      if (suffix === "*") return ` [<${name}>...]`;
      return ` <${name}>${suffix}`;
    })
    .join("");
}

function renderEntry(left: string, right: string): string {
  return `  ${left.padEnd(28)}  ${right}`;
}
