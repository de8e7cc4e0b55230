/** Something that is wrong, and what to do about it. */
export interface Finding {
  /** Name of the check; stable, for scripts. */
  check: string;
  /** error: jobs can be lost or are not processed. warning: a risk. */
  severity: "error" | "warning";
  problem: string;
  remedy: string;
}

/** Clocks that differ by more than this make delays, expiry and schedules wrong. */
const maxClockSkewMs = 1000;

/**
 * Compares the clock of a store with the clock of this machine.
 * @param read returns the time of the store, in ms since 1970
 */
export async function checkClock(store: string, read: () => Promise<number>): Promise<Finding[]> {
  const sentAt = Date.now();
  const time = await read();
  const receivedAt = Date.now();
  // The store read its clock between the two times.
  const skewMs = time < sentAt ? sentAt - time : Math.max(0, time - receivedAt);
  if (skewMs <= maxClockSkewMs) return [];
  return [
    {
      check: `${store.toLowerCase()}-clock`,
      severity: "warning",
      problem: `The clock of ${store} differs from the clock of this machine by ${(skewMs / 1000).toFixed(1)} s`,
      remedy: "Synchronize the clocks of all machines (chrony, systemd-timesyncd)",
    },
  ];
}
