import type { CpuTimes } from "./measure.ts";
import type { BenchOptions } from "./options.ts";

/** What one round measured. */
export interface Sample {
  jobs: number;
  seconds: number;
  /** Requests without the expected response. */
  errors: number;
  p50Ms?: number;
  p99Ms?: number;
  /** CPU time per job in µs, by role. */
  cpuUs?: CpuTimes;
  /** Share of the machine's CPU that other processes used. */
  othersShare?: number;
  /** Jobs that ended, counted in the stores after the round. */
  settled?: number;
  /** Accepted jobs, counted in the stores after the round. */
  accepted?: number;
  /** Idle memory, by process. */
  memory?: MemoryUse;
}

export type MemoryUse = Partial<Record<"producer" | "consumer" | "redis", Amount>>;

interface Amount {
  rssMb: number;
  anonymousMb: number;
}

/** The rounds of one target in one situation. */
export interface Series {
  target: string;
  title: string;
  /** What distinguishes series of the same target; empty if nothing does. */
  variant: string;
  samples: Sample[];
  /** Why the target took no further part. */
  failure?: string;
}

export interface PartResult {
  part: string;
  /** ISO 8601. */
  measuredAt: string;
  commit: string;
  command: string;
  settings: PartSettings;
  series: Series[];
}

/** What the description of a part needs. */
export type PartSettings = Omit<BenchOptions, "parts" | "targets" | "out">;

export interface Results {
  machine: Readonly<Record<string, string>>;
  versions: Readonly<Record<string, string>>;
  parts: PartResult[];
}
