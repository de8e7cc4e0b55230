import type { Child } from "../../../ops/dev/processes/child.ts";
import type { PeerName } from "../peers.ts";
import type { Requests } from "../requests.ts";
import type { Stores } from "../stores.ts";

export interface TargetContext {
  root: string;
  /** Temporary folder, for logs and data. */
  dir: string;
  stores: Stores;
  /** Folder with the peers' packages; undefined if no peer takes part. */
  peersDir: string | undefined;
  signal: AbortSignal;
}

export interface Server {
  child: Child;
  port: number;
}

/** The jobs of a target, read from its stores. */
export interface TargetJobs {
  /** Jobs that have not ended; cheap enough to be polled. */
  countUnfinished(): Promise<number>;
  count(): Promise<JobCounts>;
  /** Removes all jobs. With `isServed`, consumers are running and have drained the queue: its keys stay. */
  empty(isServed: boolean): Promise<void>;
}

export interface JobCounts {
  accepted: number;
  settled: number;
}

export interface TargetDefinition {
  title: string;
  /** For the results: how the target is configured. */
  configuration: string;
  peer?: PeerName;
  usesRedis: boolean;
  usesPostgres: boolean;
  requests: Requests;
  /** Whether to measure its consumer; otherwise it has the consumer of another target. */
  hasConsumer: boolean;
  startServer(context: TargetContext): Promise<Server>;
  startConsumer(context: TargetContext, servers: readonly Server[]): Promise<Child>;
  createJobs(stores: Stores, servers: readonly Server[]): TargetJobs;
}
