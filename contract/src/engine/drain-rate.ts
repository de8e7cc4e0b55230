/** Averaging window of the drain rate. */
const rateWindowMs = 3000;

/** Measures the drain rate in bytes per millisecond: entries differ too much in size to count them. */
export function createDrainRate(now: () => number = () => performance.now()) {
  // Recent bytes and milliseconds; both decay, so that a slow first batch soon loses its weight.
  let bytes = 0;
  let busyMs = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  return {
    note(drained: number, startedAt: number, endedAt: number) {
      // Idle time before the batch is excluded from the rate.
      const tookMs = Math.max(endedAt - Math.max(lastAt, startedAt), 0.1);
      lastAt = endedAt;
      const decay = Math.exp(-tookMs / rateWindowMs);
      bytes = bytes * decay + drained;
      busyMs = busyMs * decay + tookMs;
    },
    /** Returns the time to drain `waiting` bytes; undefined if the rate is unknown. */
    msFor(waiting: number): number | undefined {
      const isCurrent = now() - lastAt < rateWindowMs;
      return isCurrent && bytes > 0 ? (waiting * busyMs) / bytes : undefined;
    },
  };
}
