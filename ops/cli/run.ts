import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { type Command, type ParsedArguments, UsageError, type CommandContext } from "./command.ts";
import { commands, groups } from "./commands.ts";
import { version } from "./version.ts";
import { renderCommandHelp, renderGroupHelp, renderOperands, renderOverview } from "./help.ts";

/** Runs the command that `args` name and returns the exit code. */
export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-V") return print(version);
  if (name === undefined || (isHelp(name) && rest.length === 0)) return print(renderOverview());
  // `toril help jobs` is `toril jobs --help`.
  if (isHelp(name)) return run([...rest, "--help"], context);
  const single = getOwn(commands, name);
  if (single !== undefined) return runCommand(name, single, rest);
  const group = getOwn(groups, name);
  if (group === undefined) {
    throw unknownCommand(name, [...Object.keys(commands), ...Object.keys(groups)]);
  }
  const [commandName, ...others] = rest;
  if (commandName === undefined || isHelp(commandName)) return print(renderGroupHelp(name, group));
  const fullName = `${name} ${commandName}`;
  const command = getOwn(group.commands, commandName);
  if (command === undefined) throw unknownCommand(fullName, Object.keys(group.commands));
  return runCommand(fullName, command, others);

  function print(text: string): number {
    context.print(text);
    return 0;
  }

  async function runCommand(fullName: string, command: Command, words: readonly string[]) {
    const parsed = parseCommand(fullName, command, words);
    if (parsed === "help") return print(renderCommandHelp(fullName, command));
    return (await command.run(parsed, context)) ?? 0;
  }
}

function parseCommand(
  name: string,
  command: Command,
  args: readonly string[],
): ParsedArguments | "help" {
  const { values, positionals } = parseOptions(name, command, args);
  if (values["help"] === true) return "help";
  const { operands } = command;
  const last = operands.at(-1) ?? "";
  const min = operands.length - (/[?*]$/.test(last) ? 1 : 0);
  const max = /(\.\.\.|\*)$/.test(last) ? Infinity : operands.length;
  if (positionals.length < min || positionals.length > max) {
    const expected = renderOperands(command).trim() || "options only";
    const given = positionals.length === 0 ? "nothing" : `"${positionals.join(" ")}"`;
    throw new UsageError(`${name} takes ${expected}, not ${given}`);
  }
  const options: Record<string, string> = {};
  const flags = new Set<string>();
  for (const [option, value] of Object.entries(values)) {
    if (value === true) flags.add(option);
    else if (typeof value === "string") options[option] = value;
  }
  return { operands: positionals, options, flags };
}

function parseOptions(name: string, command: Command, args: readonly string[]) {
  const options: ParseArgsOptionsConfig = { help: { type: "boolean", short: "h" } };
  for (const [option, { value, short }] of Object.entries(command.options)) {
    const type = value === undefined ? "boolean" : "string";
    options[option] = short === undefined ? { type } : { type, short };
  }
  try {
    return parseArgs({ args: [...args], strict: true, allowPositionals: true, options });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new UsageError(`${name}: ${reason}`, { cause: error });
  }
}

function getOwn<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function isHelp(word: string): boolean {
  return word === "help" || word === "--help" || word === "-h";
}

function unknownCommand(name: string, known: readonly string[]): UsageError {
  return new UsageError(`unknown command "${name}"; choose one of ${known.join(", ")}`);
}
