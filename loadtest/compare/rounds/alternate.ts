import { describeSample } from "../report/describe.ts";
import type { Bench } from "../part.ts";
import type { Sample, Series } from "../results.ts";
import type { Target } from "../targets/open-target.ts";

export interface Contender {
  series: Series;
  /** Runs before the first round and is not measured. */
  warmUp?(): Promise<unknown>;
  run(): Promise<Sample>;
}

export function createContender(
  { name, definition }: Pick<Target, "name" | "definition">,
  variant: string,
  functions: Pick<Contender, "warmUp" | "run">,
): Contender {
  return {
    series: { target: name, title: definition.title, variant, samples: [] },
    ...functions,
  };
}

/**
 * Runs a round of each contender in turn, so that other load on the machine affects all of them alike. A contender that
 * fails takes no further part.
 */
export async function alternate(
  bench: Bench,
  contenders: readonly Contender[],
  rounds = bench.options.rounds,
): Promise<Series[]> {
  async function attempt<T>({ series }: Contender, what: string, run: () => Promise<T>) {
    bench.signal.throwIfAborted();
    if (series.failure !== undefined) return undefined;
    try {
      return await run();
    } catch (error) {
      bench.signal.throwIfAborted();
      series.failure = error instanceof Error ? error.message : String(error);
      bench.report(`${what}, ${nameOf(series)}: FAILED: ${series.failure}`);
      return undefined;
    }
  }

  for (const contender of contenders) {
    await attempt(contender, "warm-up", async () => contender.warmUp?.());
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of contenders) {
      const { series, run } = contender;
      const sample = await attempt(contender, `round ${round}`, run);
      if (sample === undefined) continue;
      series.samples.push(sample);
      bench.report(`round ${round}, ${nameOf(series)}: ${describeSample(sample)}`);
    }
  }
  return contenders.map(({ series }) => series);
}

export function nameOf({ title, variant }: Series): string {
  return variant === "" ? title : `${title}, ${variant}`;
}
