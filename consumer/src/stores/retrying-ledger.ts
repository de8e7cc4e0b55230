import { isLockTimeout } from "@toril/contract/engine/postgres/errors";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { AttemptLedger } from "@toril/contract/engine/jobs/attempt/attempt-ledger";
import { sleep } from "../wait.ts";

/** Waits for Postgres without a limit. Rejects with `LedgerStopped` after `stop`. */
export interface RetryingLedger extends AttemptLedger {
  readonly isUnavailable: boolean;
  stop(): void;
}

export class LedgerStopped extends Error {}

export interface RetryingLedgerDeps {
  ledger: Pick<Ledger, "run">;
  /** Called on the first failure that affects more than one statement. */
  onUnavailable(error: unknown): void;
  /** Called on the first success after that failure. */
  onAvailable(): void;
}

const firstPauseMs = 50;
const longestPauseMs = 1000;

/** Retries work that must not fail because Postgres is unavailable. */
export function createRetryingLedger({
  ledger,
  onUnavailable,
  onAvailable: onBack,
}: RetryingLedgerDeps): RetryingLedger {
  const stopping = new AbortController();
  let isUnavailable = false;

  function succeeded() {
    if (!isUnavailable) return;
    isUnavailable = false;
    onBack();
  }

  function failed(error: unknown) {
    if (isUnavailable || isConflict(error)) return;
    isUnavailable = true;
    onUnavailable(error);
  }

  return {
    async retryUntilAvailable(work, isFinal = () => false) {
      for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
        if (stopping.signal.aborted) throw new LedgerStopped("Stopped before Postgres took it.");
        try {
          const result = await ledger.run(work);
          succeeded();
          return result;
        } catch (error) {
          if (isFinal(error)) throw error;
          failed(error);
        }
        await sleep(pauseMs, stopping.signal);
      }
    },
    get isUnavailable() {
      return isUnavailable;
    },
    stop: () => stopping.abort(),
  };
}

/** Two transactions conflicted: Postgres is available. */
function isConflict(error: unknown) {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.startsWith("40") || isLockTimeout(error);
}
