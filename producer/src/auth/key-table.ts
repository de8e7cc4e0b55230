import type { KeyRow } from "@toril/contract/engine/api-keys/key-ledger";
import type { Logger } from "pino";

export interface KeyTable {
  /** `unread` until Postgres has answered once; `filled` once there was a key, were it revoked. */
  readonly state: "unread" | "empty" | "filled";
  /** Whether a change of two seconds ago may be missing. */
  readonly isStale: boolean;
  find(id: string): KeyRow | undefined;
  /** Resolves when all that was changed before the call is known, or Postgres did not answer. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

export interface KeyTableDeps {
  /** The keys that changed after this revision; all of them for 0. */
  read(revision: number): Promise<readonly KeyRow[]>;
  onChange(): void;
  log: Logger;
  /** Milliseconds that only grow. */
  now?: () => number;
}

/** A revoked key is refused within 2 s, everywhere. */
const pollEveryMs = 500;
/** Who asks meanwhile shares one reading; however many wrong keys come, Postgres is asked no more often than this. */
const gatherMs = 20;
/** Finds what was deleted by hand, or that the database is an older one now. */
const wholeEveryMs = 60_000;
const staleAfterMs = 2000;

/** Every key in memory, at most half a second behind the ledger, so that a known key costs no round trip. */
export async function openKeyTable(deps: KeyTableDeps): Promise<KeyTable> {
  const { read, onChange, log, now = () => performance.now() } = deps;
  let keys = new Map<string, KeyRow>();
  let state: KeyTable["state"] = "unread";
  let revision = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  let readWholeAt = Number.NEGATIVE_INFINITY;
  let isFailing = false;
  let poll: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  let current = Promise.resolve();
  let following: Promise<void> | undefined;

  async function load(): Promise<void> {
    const startedAt = now();
    const isWhole = startedAt - readWholeAt > wholeEveryMs;
    try {
      const rows = await read(isWhole ? 0 : revision);
      if (isWhole) {
        keys = new Map();
        readWholeAt = startedAt;
      }
      for (const row of rows) keys.set(row.id, row);
      revision = rows.at(-1)?.revision ?? (isWhole ? 0 : revision);
      readAt = startedAt;
      if (state !== "filled") state = keys.size > 0 ? "filled" : "empty";
      if (rows.length > 0 || isWhole) onChange();
      if (isFailing) log.info("keys are read again");
      isFailing = false;
    } catch (error) {
      if (!isFailing) {
        log.warn({ err: error }, "keys cannot be read: those that are known stay good");
      }
      isFailing = true;
    }
  }

  function refresh(): Promise<void> {
    // A reading that is under way may have looked before what is asked for was written.
    following ??= (async () => {
      await current;
      await new Promise((resolve) => setTimeout(resolve, gatherMs));
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
