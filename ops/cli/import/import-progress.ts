import type { Import } from "@toril/client";
import { createProgress, formatCount } from "../../dev/demo/progress.ts";
import type { Output } from "../output/style.ts";

interface Sample {
  at: number;
  accepted: number;
  done: number;
}

/** Rates are of the last 10 s. */
const windowMs = 10_000;

export interface ImportProgress {
  /** Called for each part that the service has. */
  addBytes(count: number): void;
  show(snapshot: Import): void;
  end(): void;
}

/**
 * Shows accepted and finished rows, their rates and the time left.
 * @param totalBytes size of the file; undefined for standard input
 */
export function createImportProgress(
  output: Output,
  totalBytes: number | undefined,
  now: () => number = () => performance.now(),
): ImportProgress {
  const progress = createProgress(output);
  let samples: Sample[] = [];
  let sentBytes = 0;
  return {
    addBytes: (count) => (sentBytes += count),
    show({ status, counts }) {
      const accepted = counts.accepted + counts.duplicate;
      const done = getFinished(counts);
      const at = now();
      samples = [...samples.filter((sample) => sample.at > at - windowMs), { at, accepted, done }];
      const [first = { at, accepted, done }] = samples;
      const seconds = (at - first.at) / 1000;
      const toRate = (delta: number) => (seconds > 0 ? delta / seconds : 0);
      const doneRate = toRate(done - first.done);
      const sent = totalBytes === undefined || totalBytes === 0 ? 1 : sentBytes / totalBytes;
      // The size of the rows that were sent is that of the others.
      const total = sent > 0 ? Math.max(counts.read / Math.min(1, sent), counts.read) : Infinity;
      const settled = done + counts.rejected + counts.duplicate;
      const hasEnded = status !== "receiving" && status !== "running";
      const left = hasEnded ? 0 : Math.max(0, total - settled);
      const text = [
        `${formatCount(accepted)} accepted (${formatCount(toRate(accepted - first.accepted))}/s)`,
        `${formatCount(done)} done (${formatCount(doneRate)}/s)`,
        ...(counts.rejected > 0 ? [`${formatCount(counts.rejected)} rejected`] : []),
        ...(doneRate > 0 && left > 0 && left !== Infinity
          ? [`${formatSeconds(left / doneRate)} left`]
          : []),
      ];
      const share = total > 0 && total !== Infinity ? settled / total : 0;
      // The total is an estimate, and a dry run enqueues nothing.
      progress.show(hasEnded ? 1 : share, text.join(", "));
    },
    end: () => progress.end(),
  };
}

/** Returns the number of jobs that have ended. */
function getFinished(counts: Import["counts"]): number {
  return counts.completed + counts.dead + counts.cancelled + counts.expired;
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
