import { parseDuration as parse } from "@toril/contract/engine/config/config";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { Sql } from "postgres";

/** Invalid arguments: exit code 2. */
export class UsageError extends Error {}

export interface Option {
  /** Placeholder for the value in the help. */
  value: string;
  help: string;
}

export interface Command {
  summary: string;
  /** Names of the required operands, in order. */
  operands: readonly string[];
  options: Readonly<Record<string, Option>>;
  run(parsed: ParsedArguments, context: CommandContext): Promise<void>;
}

export interface ParsedArguments {
  operands: readonly string[];
  options: Readonly<Record<string, string | undefined>>;
}

export interface CommandContext {
  /** Writes a line for programs, to stdout. */
  print(line: string): void;
  /** Writes a line for people, to stderr. */
  inform(line: string): void;
  withLedger<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** Login name of the user. */
  user: string;
  /** The job types of the service. */
  jobTypes: JobTypeRegistry;
}

/** Returns the operand of a command that has exactly one. */
export function getOperand({ operands: [operand = ""] }: ParsedArguments): string {
  return operand;
}

/** Converts the value of an option, like `90s`, `15m`, `12h` or `30d`, to milliseconds. */
export function parseDuration(option: string, text: string): number {
  const ms = parse(text);
  if (ms === undefined) {
    throw new UsageError(`--${option} must be a duration like 90s, 15m, 12h or 30d, not "${text}"`);
  }
  return ms;
}
