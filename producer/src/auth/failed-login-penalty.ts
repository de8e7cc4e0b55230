export interface FailedLoginPenalty {
  /** A cheap check, true nearly always, that avoids determining the client address. */
  isIdle(): boolean;
  /** Returns for how many seconds an address stays blocked; 0 if it is not blocked. */
  secondsLeft(address: string): number;
  /** Counts a failed login from an address. */
  countFailure(address: string): void;
}

const windowMs = 60_000;
/** Evicting the penalties of an attacker with more addresses is harmless: a key has 256 random bits. */
const maxAddresses = 10_000;

/** Blocks an address that sends `wrongPerMinute` wrong keys within a minute, until that minute ends. */
export function createFailedLoginPenalty(
  wrongPerMinute: number,
  now: () => number = Date.now,
): FailedLoginPenalty {
  const failures = new Map<string, { count: number; until: number }>();
  let activeUntil = 0;

  return {
    isIdle: () => activeUntil === 0 || now() >= activeUntil,
    secondsLeft(address) {
      const failure = failures.get(toNetwork(address));
      if (failure === undefined || failure.count < wrongPerMinute) return 0;
      return Math.max(0, Math.ceil((failure.until - now()) / 1000));
    },
    countFailure(address) {
      const network = toNetwork(address);
      const at = now();
      let failure = failures.get(network);
      if (failure === undefined || at >= failure.until) {
        // Re-inserted at the end: the map stays ordered by age, and the oldest entry is evicted first.
        failures.delete(network);
        if (failures.size === maxAddresses) failures.delete(failures.keys().next().value ?? "");
        failure = { count: 0, until: at + windowMs };
        failures.set(network, failure);
      }
      failure.count += 1;
      if (failure.count >= wrongPerMinute) activeUntil = Math.max(activeUntil, failure.until);
    },
  };
}

/**
 * Returns the network of an address: IPv6 addresses are reduced to their /64 network, because a client usually has a
 * whole /64.
 */
export function toNetwork(address: string): string {
  const ipv4 = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (ipv4 !== undefined || !address.includes(":")) return ipv4 ?? address;
  const [head = ""] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  return [...groups, "0", "0", "0", "0"].slice(0, 4).join(":");
}
