import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { type Command, type ParsedArguments, UsageError, type CommandContext } from "./command.ts";
import { groups } from "./commands.ts";
import { renderCommandHelp, renderGroupHelp, renderOverview } from "./help.ts";

/** Runs the command that `args` name. */
export async function run(args: readonly string[], context: CommandContext): Promise<void> {
  const [groupName, commandName, ...rest] = args;
  if (groupName === undefined || isHelp(groupName)) return context.print(renderOverview(groups));
  const group = Object.hasOwn(groups, groupName) ? groups[groupName] : undefined;
  if (group === undefined) throw unknownCommand(groupName, Object.keys(groups));
  if (commandName === undefined || isHelp(commandName)) {
    return context.print(renderGroupHelp(groupName, group));
  }
  const { commands } = group;
  const name = `${groupName} ${commandName}`;
  const command = Object.hasOwn(commands, commandName) ? commands[commandName] : undefined;
  if (command === undefined) throw unknownCommand(name, Object.keys(commands));
  const parsed = parseCommand(name, command, rest);
  return parsed === "help"
    ? context.print(renderCommandHelp(name, command))
    : command.run(parsed, context);
}

function parseCommand(
  name: string,
  command: Command,
  args: readonly string[],
): ParsedArguments | "help" {
  const { values, positionals } = parseOptions(name, command, args);
  const { help, ...options } = values;
  if (help !== undefined) return "help";
  const { operands } = command;
  if (positionals.length !== operands.length) {
    const expected = operands.map((operand) => `<${operand}>`).join(" ") || "options only";
    throw new UsageError(`${name} takes ${expected}, not "${positionals.join(" ")}"`);
  }
  return { operands: positionals, options };
}

function parseOptions(name: string, command: Command, args: readonly string[]) {
  const options: ParseArgsOptionsConfig = { help: { type: "boolean", short: "h" } };
  for (const option of Object.keys(command.options)) options[option] = { type: "string" };
  try {
    const parsed = parseArgs({ args: [...args], strict: true, allowPositionals: true, options });
    // Strict mode: every option is a string, and --help is true.
    return { ...parsed, values: parsed.values as Record<string, string | undefined> };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new UsageError(`${name}: ${reason}`, { cause: error });
  }
}

function isHelp(word: string): boolean {
  return word === "help" || word === "--help" || word === "-h";
}

function unknownCommand(name: string, known: readonly string[]): UsageError {
  return new UsageError(`unknown command "${name}"; choose one of ${known.join(", ")}`);
}
