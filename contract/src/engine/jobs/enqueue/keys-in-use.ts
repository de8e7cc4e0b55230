import { keyIdentity } from "./new-job.ts";
import type { SingleEntry } from "../insert/insert-entries.ts";

/** A key of a job or an Idempotency-Key that entries of this process are using. */
export interface KeyInUse {
  readonly name: string;
  entries: number;
  /** The entry that is inserted without looking for conflicts; settles when that has ended. */
  first: Promise<unknown> | undefined;
  /** Whether a transaction was found to hold the key. */
  isContended: boolean;
}

export interface KeysInUse {
  /** Registers an entry as a user of its keys. */
  enter(entry: SingleEntry): KeyInUse[];
  leave(keys: readonly KeyInUse[]): void;
}

/** Creates the record of the keys that entries of this process are using. */
export function createKeysInUse(): KeysInUse {
  const inUse = new Map<string, KeyInUse>();

  function use(name: string): KeyInUse {
    let key = inUse.get(name);
    if (key === undefined) {
      key = { name, entries: 0, first: undefined, isContended: false };
      inUse.set(name, key);
    }
    key.entries += 1;
    return key;
  }

  return {
    enter({ job, claim }) {
      const keys: KeyInUse[] = [];
      if (claim !== undefined) keys.push(use(JSON.stringify([claim.tenant, claim.key])));
      if (job.key !== null) keys.push(use(keyIdentity(job)));
      return keys;
    },
    leave(keys) {
      for (const key of keys) {
        key.entries -= 1;
        if (key.entries === 0) inUse.delete(key.name);
      }
    },
  };
}
