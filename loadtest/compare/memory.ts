import { readFileSync } from "node:fs";

export interface Memory {
  rssMb: number;
  /** Without pages of files. */
  anonymousMb: number;
}

/**
 * Reads the memory of a process without its children; only on Linux. Not from `smaps_rollup`, which takes tens of
 * milliseconds.
 */
export function readMemory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (name: string) =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024) / 1e6;
  return { rssMb: read("VmRSS"), anonymousMb: read("RssAnon") };
}
