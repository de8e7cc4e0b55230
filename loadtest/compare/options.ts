import { parseArgs } from "node:util";

import type { AppendFsync } from "./stores.ts";
import { type PartName, partNames } from "./parts/names.ts";
import { type TargetName, targetNames } from "./targets/index.ts";

export interface BenchOptions {
  parts: PartName[];
  targets: TargetName[];
  rounds: number;
  /** Duration of the load of a round. */
  seconds: number;
  /** Number of connections in the parts that accept single jobs. */
  connections: number;
  /** Size of the body of a job. */
  bodyBytes: number;
  /** Jobs of a backlog that is drained. */
  drainJobs: number;
  /** Pending jobs of the part `backlog`. */
  backlog: number;
  /** Finished jobs of the part `history`. */
  finished: number;
  appendFsync: AppendFsync;
  /** Folder for the results; undefined prints them only. */
  out: string | undefined;
}

export const usage = `bun run bench [options]

  --parts NAME,NAME    ${partNames.join(", ")} (all)
  --targets NAME,NAME  ${targetNames.join(", ")} (all)
  --rounds N           rounds per target, alternating (3)
  --seconds N          duration of the load of a round (2); e2e takes three times as long
  --connections N      keep-alive connections with one request in flight each (256; e2e also measures 64)
  --payload N          bytes of the body of a job (150)
  --drain N            jobs of a backlog that is drained (20000)
  --backlog N          pending jobs of the part "backlog" (1000000)
  --finished N         finished jobs of the part "history" (1000000; 10000000 takes about 3 minutes more)
  --appendfsync WHEN   everysec or always, for the Redis of all targets (everysec)
  --quick              one round of a second, small backlogs; prints the results
  --out DIR            folder of results.md and of results/ (loadtest)
`;

const quick = { rounds: "1", seconds: "1", drain: "3000", backlog: "20000", finished: "20000" };
const normal = {
  rounds: "3",
  seconds: "2",
  drain: "20000",
  backlog: "1000000",
  finished: "1000000",
};

/** @returns undefined if --help was given */
export function parseOptions(args: string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      parts: { type: "string", default: partNames.join(",") },
      targets: { type: "string", default: targetNames.join(",") },
      rounds: { type: "string" },
      seconds: { type: "string" },
      connections: { type: "string" },
      payload: { type: "string", default: "150" },
      drain: { type: "string" },
      backlog: { type: "string" },
      finished: { type: "string" },
      appendfsync: { type: "string", default: "everysec" },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const defaults = values.quick ? quick : normal;
  const count = (name: keyof typeof quick) => number(name, values[name] ?? defaults[name]);
  return {
    parts: values.parts.split(",").map((text) => oneOf("parts", text, partNames)),
    targets: values.targets.split(",").map((text) => oneOf("targets", text, targetNames)),
    rounds: count("rounds"),
    seconds: count("seconds"),
    connections: number("connections", values.connections ?? "256"),
    bodyBytes: number("payload", values.payload),
    drainJobs: count("drain"),
    backlog: count("backlog"),
    finished: count("finished"),
    appendFsync: oneOf("appendfsync", values.appendfsync, ["everysec", "always"] as const),
    out: values.out ?? (values.quick ? undefined : "loadtest"),
  };
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} must be a whole number above 0, not ${text}`);
}

function oneOf<Name extends string>(option: string, text: string, names: readonly Name[]): Name {
  const name = names.find((known) => known === text);
  if (name !== undefined) return name;
  throw new Error(`--${option} must be one of ${names.join(", ")}, not ${text}`);
}
