import { readFileSync } from "node:fs";

export interface Memory {
  rssMb: number;
  /** Without pages of files. */
  anonymousMb: number;
}

/** Reads the memory of a process without its children; only on Linux. */
export function readMemory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const read = (name: string) =>
    (Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024) / 1e6;
  return { rssMb: read("Rss"), anonymousMb: read("Anonymous") };
}
