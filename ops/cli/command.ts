import { type Env, parseDuration as parse } from "@toril/contract/engine/config/config";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { Sql } from "postgres";
import type { Output } from "./output/style.ts";

/** Invalid arguments: exit code 2. */
export class UsageError extends Error {}

export interface Option {
  /** Placeholder for the value in the help. An option without one is a flag. */
  value?: string;
  /** The values that the option allows, if they are known. */
  choices?: readonly string[];
  help: string;
  /** One letter that stands for the option: `-y`. */
  short?: string;
}

export type Options = Readonly<Record<string, Option>>;

export interface Command {
  summary: string;
  /** Names of the operands, in order. The last one may be optional (`id?`) or repeated (`id...`, or from zero: `id*`). */
  operands: readonly string[];
  options: Options;
  /** Returns the exit code; 0 without one. */
  run(parsed: ParsedArguments, context: CommandContext): Promise<number | void>;
}

export type Commands = Readonly<Record<string, Command>>;

export interface Group {
  summary: string;
  commands: Commands;
}

/** All commands, by name. */
export interface CommandTable {
  /** Commands of one word. */
  commands: Commands;
  /** Commands of two words: `toril <group> <command>`. */
  groups: Readonly<Record<string, Group>>;
}

export interface ParsedArguments {
  operands: readonly string[];
  options: Readonly<Record<string, string | undefined>>;
  /** The flags that were given. */
  flags: ReadonlySet<string>;
}

export interface CommandContext {
  /** Writes a line for programs, to stdout. */
  print(line: string): void;
  /** Writes a line for people, to stderr. */
  inform(line: string): void;
  stdout: Output;
  stderr: Output;
  /** Opens standard input. */
  openInput(): ReadableStream<Uint8Array>;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  env: Env;
  /** Working directory. */
  directory: string;
  withLedger<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
  /** Login name of the user. */
  user: string;
  /** Loads the job types of the project in the working directory, or those that Toril ships. */
  loadJobTypes(): Promise<JobTypeRegistry>;
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

/** Converts the value of an option to a whole number; undefined if the option is missing. */
export function parseNumber(
  { options }: ParsedArguments,
  option: string,
  [min, max]: readonly [number, number],
): number | undefined {
  const text = options[option];
  if (text === undefined) return undefined;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`--${option} must be a whole number from ${min} to ${max}, not "${text}"`);
}

/** Splits the value of an option at commas; undefined if the option is missing. */
export function parseList({ options }: ParsedArguments, option: string): string[] | undefined {
  return options[option]?.split(",").map((part) => part.trim());
}

/** Returns the value of an option that allows only some values; undefined if the option is missing. */
export function parseChoice<Choice extends string>(
  { options }: ParsedArguments,
  option: string,
  choices: readonly Choice[],
): Choice | undefined {
  const text = options[option];
  if (text === undefined) return undefined;
  const choice = choices.find((known) => known === text);
  if (choice !== undefined) return choice;
  throw new UsageError(`--${option} must be one of ${choices.join(", ")}, not "${text}"`);
}
