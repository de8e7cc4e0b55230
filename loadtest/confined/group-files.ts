import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Usage } from "./confinement.ts";

/** Directories of a group: version 2 has one, version 1 one per controller. */
export interface GroupFiles {
  version: 1 | 2;
  cpu: string;
  cpuTime: string;
  memory: string;
}

export function readUsage({ version, cpuTime, memory }: GroupFiles): Usage {
  if (version === 2) {
    return {
      cpuUs: valueIn(join(cpuTime, "cpu.stat"), "usage_usec"),
      peakBytes: Number(read(join(memory, "memory.peak"))),
      anonymousBytes: valueIn(join(memory, "memory.stat"), "anon"),
    };
  }
  return {
    cpuUs: Number(read(join(cpuTime, "cpuacct.usage"))) / 1000,
    peakBytes: Number(read(join(memory, "memory.max_usage_in_bytes"))),
    anonymousBytes: valueIn(join(memory, "memory.stat"), "total_rss"),
  };
}

/** Reads the limits of the group back from the kernel. */
export function describeLimits({ version, cpu, memory }: GroupFiles): string {
  const [quota = "max", period = "100000"] =
    version === 2
      ? read(join(cpu, "cpu.max")).split(" ")
      : [read(join(cpu, "cpu.cfs_quota_us")), read(join(cpu, "cpu.cfs_period_us"))];
  const bytes = Number(read(join(memory, version === 2 ? "memory.max" : "memory.limit_in_bytes")));
  const cpus = Number(quota) > 0 ? `${Number(quota) / Number(period)} CPUs` : "NO CPU limit";
  // Version 1 represents "no limit" by a huge number.
  const isLimited = bytes < 2 ** 60;
  const memoryLimit = isLimited ? `${bytes / 2 ** 30} GB of memory` : "NO memory limit";
  return `${cpus} and ${memoryLimit}, enforced by control groups version ${version}`;
}

/** Reads a value from lines like `anon 4096`. */
function valueIn(path: string, name: string): number {
  const lines = read(path).split("\n");
  return Number(lines.find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
}

/** A missing file means that the controller is not enabled. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "max";
  }
}
