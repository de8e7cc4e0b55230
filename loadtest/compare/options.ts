import { parseArgs } from "node:util";

import { type TargetName, targetNames } from "./targets.ts";

export interface BenchOptions {
  connections: number[];
  secondsPerRound: number;
  rounds: number;
  /** Size of a request body. */
  bodyBytes: number;
  only: TargetName[];
}

export const usage = `bun run bench [options]

  --connections N,N   keep-alive connections with one request in flight each (256)
  --seconds N         duration of a round (5)
  --rounds N          rounds per target, alternating (6)
  --payload N         bytes of a request body (150)
  --only NAME,NAME    targets: ${targetNames.join(", ")} (all)
`;

/** @returns undefined if --help was given */
export function parseOptions(args: string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      connections: { type: "string", default: "256" },
      seconds: { type: "string", default: "5" },
      rounds: { type: "string", default: "6" },
      payload: { type: "string", default: "150" },
      only: { type: "string", default: targetNames.join(",") },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    connections: values.connections.split(",").map((text) => number("connections", text)),
    secondsPerRound: number("seconds", values.seconds),
    rounds: number("rounds", values.rounds),
    bodyBytes: number("payload", values.payload),
    only: values.only.split(",").map(targetName),
  };
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} must be a whole number above 0, not ${text}`);
}

function targetName(text: string): TargetName {
  const name = targetNames.find((known) => known === text);
  if (name !== undefined) return name;
  throw new Error(`--only must be one of ${targetNames.join(", ")}, not ${text}`);
}
