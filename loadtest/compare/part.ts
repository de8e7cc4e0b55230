import type { BenchOptions } from "./options.ts";
import type { Generator } from "./generator.ts";
import type { PartSettings, Series } from "./results.ts";
import type { Stores } from "./stores.ts";
import type { TargetName } from "./targets/index.ts";
import type { Target } from "./targets/open-target.ts";

/** What a part of the benchmark works with. */
export interface Bench {
  options: BenchOptions;
  generator: Generator;
  /** Temporary folder. */
  dir: string;
  /** The stores that all targets share. */
  stores: Stores;
  root: string;
  /** Opens a target on the shared stores, or on others. */
  open(name: TargetName, settings?: OpenSettings): Promise<Target>;
  /** Starts further stores, empty ones. */
  startStores(name: string): Promise<Stores>;
  report(line: string): void;
  signal: AbortSignal;
}

export interface OpenSettings {
  stores?: Stores;
  servers?: number;
}

export interface Part {
  title: string;
  /** What is measured and how to read the figures, as Markdown. */
  description(settings: PartSettings): string;
  /** Estimated duration in seconds. */
  estimate(options: BenchOptions): number;
  run(bench: Bench): Promise<Series[]>;
}
