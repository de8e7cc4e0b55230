import type { TopologyName } from "./topology.ts";
import type { Programs } from "./stack.ts";

export interface ChaosSettings {
  root: string;
  topology: TopologyName;
  seed: number;
  /** How long faults are injected under load; draining and verifying come on top. */
  durationMs: number;
  /** Faults are injected beyond `durationMs` until this many jobs are acknowledged. */
  minAcknowledged?: number;
  /** Pause between the recovery from a fault and the next fault. */
  pauseMs: number;
  /** Minimum and maximum time for which a process is frozen or a store refuses writes. */
  holdMs: readonly [number, number];
  /** Approximate number of pending jobs. */
  backlog: number;
  bulkSize: number;
  importRows: number;
  /** Minimum pause of each client after a response. */
  clientPauseMs?: number;
  /** Further variables of producers and consumers. */
  env?: Readonly<Record<string, string>>;
  /** Directory of a stopped Postgres whose data the stack starts with, which is faster than initdb. */
  postgresTemplate?: string | undefined;
  programs?: Programs;
  /** How long requests whose outcome is unknown are repeated after the load. */
  abandonMs: number;
  /**
   * Only these kinds, in this order, each once, and no longer than they take; by default every kind again and again in
   * random order.
   */
  kinds?: readonly string[];
  print?(text: string): void;
  signal?: AbortSignal;
}

/** Longer than a lock, a stalled check and a pass of the reconciler together, on a machine that is busy. */
export const recoveryMs = 90_000;
