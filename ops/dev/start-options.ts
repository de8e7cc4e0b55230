import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { UserError } from "./user-error.ts";

export interface StartOptions {
  once: boolean;
  demo: boolean;
  /** CSV file that the demo imports instead of the example. */
  importFile: string | undefined;
  producers: number;
  consumers: number;
  port: number;
  dataDir: string;
  /** Migrates and imports into the database of DATABASE_URL without asking. */
  yes: boolean;
}

export const startUsage = `npm start -- [options]

Starts Redis, Postgres, producers and consumers on this machine, imports an example file, and runs until Ctrl-C.

  --once           import, print the summary, stop everything
  --no-demo        import nothing
  --import FILE    import this CSV file instead of the example
  --producers N    number of producers, each on its own port (1)
  --consumers N    number of consumers (1)
  --port P         port of the first producer (3000)
  --data DIR       directory for data, logs and the file "env" (.toril)
  --yes            use the database of DATABASE_URL without asking
  --help           print this text

If REDIS_URL or DATABASE_URL is set, that store is used instead of starting one. Before the database of DATABASE_URL is
migrated and imported into, you are asked for confirmation; --yes confirms.
`;

/** @returns "help" if --help was given */
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
    importFile: values.import === undefined ? undefined : resolve(folders.cwd, values.import),
    yes: values.yes,
    producers,
    consumers: wholeNumber("consumers", values.consumers, 0, 64),
    port: wholeNumber("port", values.port, 1, 65_536 - producers),
    dataDir:
      values.data === undefined
        ? resolve(folders.root, ".toril")
        : resolve(folders.cwd, values.data),
  };
  if (values.data === "") throw new UserError("--data requires a directory");
  if (options.once && !options.demo) {
    throw new UserError("--once and --no-demo are mutually exclusive");
  }
  if (!options.demo && options.importFile !== undefined) {
    throw new UserError("--import and --no-demo are mutually exclusive");
  }
  if (options.importFile !== undefined && !existsSync(options.importFile)) {
    throw new UserError(`--import: ${options.importFile} does not exist`);
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
        import: { type: "string" },
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
  throw new UserError(`--${name} requires a whole number from ${min} to ${max}, not "${value}"`);
}
