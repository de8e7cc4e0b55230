import type { KeyRow } from "@toril/contract/engine/api-keys/key-ledger";
import type { Logger } from "pino";

export interface KeyTable {
  /** `unread` until the first successful read; `filled` once any key existed, even a revoked one. */
  readonly state: "unread" | "empty" | "filled";
  /** Whether the last successful read is more than 2 s old, so that a change may be missing. */
  readonly isStale: boolean;
  find(id: string): KeyRow | undefined;
  /** Resolves when all changes made before the call are loaded, or when the read failed. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

export interface KeyTableDeps {
  /** Reads the keys that changed after this revision, ordered by revision; 0 reads all keys. */
  read(revision: number): Promise<readonly KeyRow[]>;
  onChange(): void;
  log: Logger;
  /** Monotonic clock, in milliseconds. */
  now?: () => number;
}

/** Keeps the promise that every producer refuses a revoked key within 2 s. */
const pollEveryMs = 500;
/** Concurrent refreshes share one read, so that wrong keys cannot flood Postgres with queries. */
const maxBatchingMs = 20;
/** A full reload also notices rows deleted by hand and a database restored from a backup. */
const reloadEveryMs = 60_000;
const staleAfterMs = 2000;

/** Opens a cache of all keys, at most `pollEveryMs` behind Postgres, so that a known key costs no round trip. */
export async function openKeyTable(deps: KeyTableDeps): Promise<KeyTable> {
  const { read, onChange, log, now = () => performance.now() } = deps;
  let keys = new Map<string, KeyRow>();
  let state: KeyTable["state"] = "unread";
  let revision = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  let reloadedAt = Number.NEGATIVE_INFINITY;
  let isFailing = false;
  let poll: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  let current = Promise.resolve();
  let following: Promise<void> | undefined;

  async function load(): Promise<void> {
    const startedAt = now();
    const isReload = startedAt - reloadedAt > reloadEveryMs;
    try {
      const rows = await read(isReload ? 0 : revision);
      if (isReload) {
        keys = new Map();
        reloadedAt = startedAt;
      }
      for (const row of rows) keys.set(row.id, row);
      revision = rows.at(-1)?.revision ?? (isReload ? 0 : revision);
      readAt = startedAt;
      if (state !== "filled") state = keys.size > 0 ? "filled" : "empty";
      if (rows.length > 0 || isReload) onChange();
      if (isFailing) log.info("API keys can be read again");
      isFailing = false;
    } catch (error) {
      if (!isFailing) {
        log.warn({ err: error }, "API keys cannot be read: keys in the cache stay valid");
      }
      isFailing = true;
    }
  }

  function refresh(): Promise<void> {
    // A read in progress may have started before the change that the caller waits for.
    following ??= (async () => {
      await current;
      await new Promise((resolve) => setTimeout(resolve, maxBatchingMs));
      following = undefined;
      current = load();
      await current;
    })();
    return following;
  }

  function pollLater() {
    if (!isClosed) poll = setTimeout(() => void refresh().then(pollLater), pollEveryMs);
  }

  await load();
  pollLater();
  return {
    get state() {
      return state;
    },
    get isStale() {
      return now() - readAt > staleAfterMs;
    },
    find: (id) => keys.get(id),
    refresh,
    async close() {
      isClosed = true;
      clearTimeout(poll);
      await following;
      await current;
    },
  };
}
