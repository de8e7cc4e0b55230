import { UserError } from "../../ops/dev/user-error.ts";
import { readCpuTimes } from "../compare/cpu.ts";
import { createCgroup } from "./cgroup-folders.ts";
import { readCgroupTree } from "./cgroup-tree.ts";
import type { Confinement, Limits } from "./confinement.ts";

const isLinux = process.platform === "linux";

/** Uses control groups. Without them, processes are not confined, and the description says so. */
export function confine(limits: Limits): Confinement {
  if (!isLinux) return createUnconfined("control groups exist only on Linux");
  try {
    return createCgroup(limits, readCgroupTree());
  } catch (error) {
    if (error instanceof UserError) return createUnconfined(error.message);
    throw error;
  }
}

/** Uses the whole machine. */
function createUnconfined(reason: string): Confinement {
  const memory = { peakBytes: Number.NaN, anonymousBytes: Number.NaN };
  return {
    enter: (command, args) => ({ command, args: [...args] }),
    measure: (pid) => ({
      describe: () => `NOT confined: ${reason}`,
      read: () => ({ cpuUs: isLinux ? readCpuTimes({ pid }).pid : Number.NaN, ...memory }),
    }),
    async [Symbol.asyncDispose]() {},
  };
}
