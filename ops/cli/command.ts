import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { Sql } from "postgres";

/** What was typed makes no sense: exit 2. */
export class UsageError extends Error {}

export interface Option {
  /** What stands for its value in the help. */
  value: string;
  help: string;
}

export interface Command {
  summary: string;
  /** The names of what it must be given, in order. */
  operands: readonly string[];
  options: Readonly<Record<string, Option>>;
  run(given: ParsedArguments, world: CommandContext): Promise<void>;
}

export interface ParsedArguments {
  operands: readonly string[];
  options: Readonly<Record<string, string | undefined>>;
}

/** What a command may do. */
export interface CommandContext {
  /** To whatever reads the output. */
  print(line: string): void;
  /** To the person who typed it. */
  inform(line: string): void;
  withLedger<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** The login name of that person. */
  user: string;
  /** The job types of the service. */
  jobTypes: JobTypeRegistry;
}

/** The only operand of a command that has one. */
export function getOperand({ operands: [operand = ""] }: ParsedArguments): string {
  return operand;
}
