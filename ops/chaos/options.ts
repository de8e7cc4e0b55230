import { parseArgs } from "node:util";

import { UserError } from "../dev/user-error.ts";
import { type TopologyName, topologyNames } from "./topology.ts";

export interface ChaosOptions {
  topologies: readonly TopologyName[];
  minutes: number;
  jobs: number;
  seed: number;
  backlog: number;
  kinds: readonly string[] | undefined;
  isIsolation: boolean;
  /** Part of the names of the misbehaviours to measure. */
  misbehaviour: string | undefined;
  phaseSeconds: number;
  report: string | undefined;
}

export const chaosUsage = `usage: bun run chaos -- [options]

  --minutes N       minutes of fault injection per topology (10)
  --jobs N          go on beyond --minutes until this many jobs are acknowledged (0)
  --seed N          seed of the fault plan (1)
  --redis NAMES     list of single, sentinel and cluster (all)
  --backlog N       approximate number of pending jobs (10000)
  --faults KINDS    list of faults, each injected once; ends after the last one
  --isolation       measure isolation of a quiet tenant and overload instead of injecting faults
  --misbehaviour T  measure only isolation from misbehaviours whose name contains T, and print the result
  --phase N         seconds per isolation measurement (15)
  --report FILE     report whose sections are replaced (ops/chaos/report.md); "" for none
`;

/** @throws UserError */
export function parseChaosOptions(args: readonly string[]): ChaosOptions | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        minutes: { type: "string", default: "10" },
        jobs: { type: "string", default: "0" },
        seed: { type: "string", default: "1" },
        redis: { type: "string", default: topologyNames.join() },
        backlog: { type: "string", default: "10000" },
        faults: { type: "string" },
        phase: { type: "string", default: "15" },
        isolation: { type: "boolean", default: false },
        misbehaviour: { type: "string" },
        report: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) return undefined;
    const topologies = values.redis.split(",").map((name) => {
      const known = topologyNames.find((one) => one === name.trim());
      if (known === undefined)
        throw new Error(`--redis ${name} is none of ${topologyNames.join()}`);
      return known;
    });
    return {
      topologies,
      minutes: parsePositive("--minutes", values.minutes),
      jobs: values.jobs === "0" ? 0 : parsePositive("--jobs", values.jobs),
      seed: parsePositive("--seed", values.seed),
      backlog: parsePositive("--backlog", values.backlog),
      kinds: values.faults?.split(",").map((kind) => kind.trim()),
      isIsolation: values.isolation || values.misbehaviour !== undefined,
      misbehaviour: values.misbehaviour,
      phaseSeconds: parsePositive("--phase", values.phase),
      report: values.report,
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UserError(`${message}\n\n${chaosUsage}`, { cause: error });
  }
}

function parsePositive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} ${text} must be a positive number`);
  return value;
}
