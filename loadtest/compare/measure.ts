import { availableParallelism } from "node:os";

import { readCpuTimes, readMachineTime } from "./cpu.ts";

export const processNames = ["producer", "redis", "postgres", "consumer"] as const;
export type ProcessName = (typeof processNames)[number];

/** Process ids by role; a role that a target does not have is empty. */
export type Pids = Readonly<Record<ProcessName | "generator", readonly number[]>>;

/** CPU time in µs, by role. */
export type CpuTimes = Record<ProcessName | "generator", number>;

export interface CpuUse {
  cpuUs: CpuTimes;
  /** Share of the machine's CPU that other processes used. */
  othersShare: number;
}

/** Runs `work` and measures the CPU time of the processes while it runs. */
export async function measureCpu<T>(pids: Pids, work: () => Promise<T>): Promise<[T, CpuUse]> {
  const stop = startCpuMeter(pids);
  const result = await work();
  return [result, stop()];
}

/** Starts to measure; the returned function ends the measurement. */
export function startCpuMeter(pids: Pids): () => CpuUse {
  const startedAt = performance.now();
  const machineBefore = readMachineTime();
  const before = readCpuTimes(pids);
  return () => {
    const after = readCpuTimes(pids);
    const machineUs = readMachineTime() - machineBefore;
    const cpuUs = { ...after };
    for (const name of Object.keys(cpuUs) as (keyof CpuTimes)[]) cpuUs[name] -= before[name];
    const ownUs = Object.values(cpuUs).reduce((sum, us) => sum + us, 0);
    const capacityUs = (performance.now() - startedAt) * 1000 * availableParallelism();
    return { cpuUs, othersShare: Math.max(0, (machineUs - ownUs) / capacityUs) };
  };
}
