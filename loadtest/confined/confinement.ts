import { UserError } from "../../ops/dev/user-error.ts";
import { createCgroup } from "./cgroup-folders.ts";
import { readCgroupTree } from "./cgroup-tree.ts";
import { createUnconfined } from "./unconfined.ts";

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
  if (process.platform !== "linux") return createUnconfined("control groups are Linux'");
  try {
    return createCgroup(limits, readCgroupTree());
  } catch (error) {
    if (error instanceof UserError) return createUnconfined(error.message);
    throw error;
  }
}
