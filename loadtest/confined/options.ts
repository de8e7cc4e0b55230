import { readdirSync } from "node:fs";
import { basename, extname } from "node:path";
import { parseArgs } from "node:util";

import { UserError } from "../../ops/dev/user-error.ts";

export interface ConfinedOptions {
  script: string;
  /** Environment variables of the script. */
  load: Record<string, string>;
  producers: string;
  consumers: string;
}

const scripts = readdirSync(new URL("..", import.meta.url))
  .filter((file) => extname(file) === ".js")
  .map((file) => basename(file, ".js"))
  .toSorted();

export const usage = `bun run k6 -- SCRIPT [options]

Starts a stack confined to 2 CPUs and 4 GB, runs a k6 script against it, and stops it.

  SCRIPT          ${scripts.join(", ")}
  --rate N        total jobs per second (default of the script)
  --duration D    duration of the load: 30s, 5m
  --producers N   number of producers (1); k6 sends to the first one
  --consumers N   number of consumers (1)
`;

/** @returns undefined if --help was given */
export function parseOptions(args: string[]): ConfinedOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [script, ...others] = positionals;
  if (script === undefined || !scripts.includes(script) || others.length > 0) {
    throw new UserError(`Name one script: ${scripts.join(", ")}\n\n${usage}`);
  }
  return {
    script,
    load: {
      ...(values.rate === undefined ? {} : { RATE: values.rate }),
      ...(values.duration === undefined ? {} : { DURATION: values.duration }),
    },
    producers: values.producers,
    consumers: values.consumers,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        rate: { type: "string" },
        duration: { type: "string" },
        producers: { type: "string", default: "1" },
        consumers: { type: "string", default: "1" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UserError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}
