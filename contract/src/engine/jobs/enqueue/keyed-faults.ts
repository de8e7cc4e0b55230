import {
  isLockTimeout,
  isRowFault,
  isRowLockTimeout,
  isUniqueViolation,
} from "../../postgres/errors.ts";
import type { Enqueued, SingleEntry } from "../insert/insert-entries.ts";
import type { KeyInUse } from "./keys-in-use.ts";

/** An entry and the keys that it uses. */
export interface KeyedEntry extends SingleEntry {
  keys: readonly KeyInUse[];
}

/** A key is taken, or was when the entry arrived. */
interface Conflicting {
  status: "conflicting";
}

/** Another transaction holds a key. */
export interface Contended {
  status: "contended";
}

export type Found = Enqueued | Conflicting | Contended;

/** Another transaction claimed an Idempotency-Key while the statement ran. */
export function toConflicting(part: readonly KeyedEntry[], error: unknown): Found[] {
  if (!isUniqueViolation(error)) throw error;
  return part.map(() => ({ status: "conflicting" }));
}

/** A lock timeout that concerns no row may be short, too: Postgres also locks a table while it grows. */
export function toContended(part: readonly KeyedEntry[], error: unknown): (Enqueued | Contended)[] {
  if (!isLockTimeout(error) || isRowLockTimeout(error)) throw error;
  return part.map(() => ({ status: "contended" }));
}

/** Returns the outcome of an entry whose statement failed without other entries. */
export function toFaulted(_: KeyedEntry, error: unknown): Enqueued | Contended {
  return { status: isLockTimeout(error) ? "contended" : "unstorable" };
}

export function isEntryFault(error: unknown): boolean {
  return isRowFault(error) || isRowLockTimeout(error);
}
