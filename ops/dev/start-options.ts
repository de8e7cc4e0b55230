import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { UserError } from "./user-error.ts";

export interface StartOptions {
  once: boolean;
  demo: boolean;
  producers: number;
  consumers: number;
  port: number;
  dataDir: string;
  /** Migrates and imports into the database of DATABASE_URL without asking. */
  yes: boolean;
}

export const startUsage = `npm start -- [options]

Starts Redis, Postgres, producers and consumers on this machine, imports a real file, and runs until Ctrl-C.

  --once           import, print the summary, stop everything
  --no-demo        start without importing anything
  --producers N    producers, each on a port of its own (1)
  --consumers N    consumers (1)
  --port P         the first producer's port (3000)
  --data DIR       where data, logs and the file "env" are kept (.toril)
  --yes            use the database of DATABASE_URL without asking
  --help           this text

REDIS_URL and DATABASE_URL, when set, are used instead of starting a Redis and a Postgres. A database that is named so is
migrated and imported into only after a question, or with --yes.
`;

/** @returns "help" when that is all that was asked for. */
export function parseStartOptions(
  args: readonly string[],
  folders: { root: string; cwd: string },
): StartOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const producers = wholeNumber("producers", values.producers, 1, 64);
  const options: StartOptions = {
    once: values.once,
    demo: !values["no-demo"],
    yes: values.yes,
    producers,
    consumers: wholeNumber("consumers", values.consumers, 0, 64),
    port: wholeNumber("port", values.port, 1, 65_536 - producers),
    dataDir:
      values.data === undefined
        ? resolve(folders.root, ".toril")
        : resolve(folders.cwd, values.data),
  };
  if (values.data === "") throw new UserError("--data wants a folder");
  if (options.once && !options.demo) {
    throw new UserError("--once imports and stops, --no-demo imports nothing: choose one");
  }
  if (options.demo && options.consumers === 0) {
    throw new UserError("--consumers 0 would never finish the import: add --no-demo");
  }
  return options;
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      options: {
        once: { type: "boolean", default: false },
        "no-demo": { type: "boolean", default: false },
        producers: { type: "string", default: "1" },
        consumers: { type: "string", default: "1" },
        port: { type: "string", default: "3000" },
        data: { type: "string" },
        yes: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return values;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new UserError(`${reason}\n\n${startUsage}`);
  }
}

function wholeNumber(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new UserError(`--${name} wants a whole number from ${min} to ${max}, not "${value}"`);
}
