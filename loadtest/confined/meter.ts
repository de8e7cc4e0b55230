import type { Usage } from "./confinement.ts";

interface Sample extends Usage {
  /** Unix milliseconds. */
  at: number;
}

export interface Meter extends Disposable {
  /** CPU time between two moments. */
  cpuUsBetween(from: number, to: number): number;
  anonymousBytesAt(moment: number): number;
  peakBytes(): number;
}

const everyMs = 100;

export function startMeter(read: () => Usage): Meter {
  const samples: Sample[] = [];
  let peakBytes = 0;
  function take() {
    const usage = read();
    peakBytes = Math.max(peakBytes, usage.peakBytes);
    samples.push({ ...usage, at: Date.now() });
  }
  take();
  const timer = setInterval(take, everyMs);

  function sampleAt(moment: number): Sample {
    return samples.find(({ at }) => at >= moment) ?? (samples.at(-1) as Sample);
  }

  return {
    cpuUsBetween: (from, to) => sampleAt(to).cpuUs - sampleAt(from).cpuUs,
    anonymousBytesAt: (moment) => sampleAt(moment).anonymousBytes,
    peakBytes: () => peakBytes,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
