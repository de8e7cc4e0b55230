import { readCpuTimes } from "../compare/cpu.ts";
import type { Confinement } from "./confinement.ts";

const isLinux = process.platform === "linux";

/** The whole machine, where nothing else is to be had. */
export function createUnconfined(reason: string): Confinement {
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
