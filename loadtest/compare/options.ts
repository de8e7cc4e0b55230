import { parseArgs } from "node:util";

import { type TargetName, targetNames } from "./targets.ts";

export interface BenchOptions {
  connections: number[];
  secondsPerRound: number;
  rounds: number;
  /** How large a request's body is. */
  bodyBytes: number;
  only: TargetName[];
}

export const usage = `bun run bench [options]

  --connections N,N   kept-alive connections, each with one request on its way; 256 by default
  --seconds N         how long a round takes; 5 by default
  --rounds N          rounds of each target, in turn; 6 by default
  --payload N         bytes of a request's body; 150 by default
  --only NAME,NAME    some of ${targetNames.join(", ")}
`;

/** @returns undefined when the usage is asked for */
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
  throw new Error(`--only knows ${targetNames.join(", ")}, not ${text}`);
}
