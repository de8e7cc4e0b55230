import { Refusal } from "../../ops/dev/refusal.ts";
import { confineByFolders } from "./cgroup-folders.ts";
import { readCgroupTree } from "./cgroup-tree.ts";
import { unconfined } from "./unconfined.ts";

export interface Limits {
  cpus: number;
  memoryBytes: number;
}

export interface Usage {
  /** CPU time until now. */
  cpuUs: number;
  /** The most there was until now, files in the page cache included. */
  peakBytes: number;
  /** What belongs to processes rather than files, now. */
  anonymousBytes: number;
}

/** A group of processes with less than the whole machine. */
export interface Confinement extends AsyncDisposable {
  /** The command that runs another one inside. */
  enter(command: string, args: readonly string[]): { command: string; args: string[] };
  /** @param pid of the first process inside; `describe` tells what it is held to */
  measure(pid: number): { describe(): string; read(): Usage };
}

/** By control groups; where this machine has none to give, the description says so. */
export function confine(limits: Limits): Confinement {
  if (process.platform !== "linux") return unconfined("control groups are Linux'");
  try {
    return confineByFolders(limits, readCgroupTree());
  } catch (error) {
    if (error instanceof Refusal) return unconfined(error.message);
    throw error;
  }
}
