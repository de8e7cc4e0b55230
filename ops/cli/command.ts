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
  run(given: Given, world: World): Promise<void>;
}

export interface Given {
  operands: readonly string[];
  options: Readonly<Record<string, string | undefined>>;
}

/** What a command may do. */
export interface World {
  /** To whatever reads the output. */
  print(line: string): void;
  /** To the person who typed it. */
  tell(line: string): void;
  inLedger<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** The login name of that person. */
  user: string;
}

/** The only operand of a command that has one. */
export function operandOf({ operands: [operand = ""] }: Given): string {
  return operand;
}
