export interface FailedLoginPenalty {
  /** Cheap, and nearly always true: then nobody's address is asked for. */
  isIdle(): boolean;
  /** For how many seconds an address is not listened to; 0: it is. */
  secondsLeft(address: string): number;
  /** A key came from there that is nobody's. */
  note(address: string): void;
}

const windowMs = 60_000;
/** Whoever has more addresses than this guesses no better: a key has 256 random bits. */
const maxAddresses = 10_000;

/** Whoever sends too many wrong keys in a minute is not listened to until that minute is over. */
export function createFailedLoginPenalty(
  wrongPerMinute: number,
  now: () => number = Date.now,
): FailedLoginPenalty {
  const guesses = new Map<string, { count: number; until: number }>();
  let activeUntil = 0;

  return {
    isIdle: () => activeUntil === 0 || now() >= activeUntil,
    secondsLeft(address) {
      const guess = guesses.get(networkOf(address));
      if (guess === undefined || guess.count < wrongPerMinute) return 0;
      return Math.max(0, Math.ceil((guess.until - now()) / 1000));
    },
    note(address) {
      const network = networkOf(address);
      const at = now();
      let guess = guesses.get(network);
      if (guess === undefined || at >= guess.until) {
        // Again at the end, so that the oldest stand first.
        guesses.delete(network);
        if (guesses.size === maxAddresses) guesses.delete(guesses.keys().next().value ?? "");
        guess = { count: 0, until: at + windowMs };
        guesses.set(network, guess);
      }
      guess.count += 1;
      if (guess.count >= wrongPerMinute) activeUntil = Math.max(activeUntil, guess.until);
    },
  };
}

/** Whoever has one address of IPv6 has 2^64 of them. */
function networkOf(address: string): string {
  const ipv4 = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (ipv4 !== undefined || !address.includes(":")) return ipv4 ?? address;
  const [head = ""] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  return [...groups, "0", "0", "0", "0"].slice(0, 4).join(":");
}
