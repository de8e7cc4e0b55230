import type { Random } from "../random.ts";
import type { ChaosStack } from "../stack.ts";

/** One fault, ready to be injected. */
export interface Fault {
  target: string;
  inject(): Promise<void>;
  /** Ends the fault, and waits until stopped processes run again. */
  end(): Promise<void>;
  /** Time between inject and end. */
  holdMs: number;
}

export interface FaultContext {
  stack: ChaosStack;
  random: Random;
  /** Minimum and maximum time for which a process is frozen or a store refuses writes. */
  holdMs: readonly [number, number];
}

export interface FaultKind {
  kind: string;
  /** @returns why it cannot be injected here */
  prepare(context: FaultContext): Promise<Fault | string>;
}
