import { describe, expect, test } from "bun:test";
import { createRetryingLedger, LedgerStopped } from "./retrying-ledger.ts";

const _error = (code: string) => Object.assign(new Error(code), { code });

/** A ledger with scripted answers. */
function _create(...answers: (Error | string)[]) {
  const events: string[] = [];
  let calls = 0;
  const retryingLedger = createRetryingLedger({
    ledger: {
      async run() {
        calls += 1;
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        if (answer instanceof Error) throw answer;
        return answer as never;
      },
    },
    onUnavailable: (error) => events.push(`unavailable ${(error as Error).message}`),
    onAvailable: () => events.push("back"),
  });
  return { retryingLedger, events, calls: () => calls };
}

const _work = async () => "work";

describe("retryUntilAvailable", () => {
  test.each(["CONNECTION_CLOSED", "57P01", "53300", "42P01", "28P01"])(
    "repeats the work after %s, and reports once that Postgres is unavailable and available",
    async (code) => {
      const { retryingLedger, events, calls } = _create(_error(code), _error(code), "done");

      expect(await retryingLedger.retryUntilAvailable(_work)).toBe("done");

      expect(calls()).toBe(3);
      expect(events).toEqual([`unavailable ${code}`, "back"]);
      expect(retryingLedger.isUnavailable).toBe(false);
    },
  );

  test.each(["40P01", "40001", "55P03"])(
    "repeats the work after the conflict %s without reporting an outage",
    async (code) => {
      const { retryingLedger, events } = _create(_error(code), "done");

      expect(await retryingLedger.retryUntilAvailable(_work)).toBe("done");

      expect(events).toEqual([]);
    },
  );

  test("rejects with a final error", async () => {
    const { retryingLedger, events, calls } = _create(_error("22P05"));
    const isFinal = (error: unknown) => (error as { code: string }).code.startsWith("22");

    await expect(retryingLedger.retryUntilAvailable(_work, isFinal)).rejects.toThrow("22P05");

    expect([calls(), events]).toEqual([1, []]);
  });

  test("rejects when stopped, also during a pause", async () => {
    const { retryingLedger } = _create(_error("CONNECTION_CLOSED"));
    const retrying = retryingLedger.retryUntilAvailable(_work);

    retryingLedger.stop();

    await expect(retrying).rejects.toBeInstanceOf(LedgerStopped);
    await expect(retryingLedger.retryUntilAvailable(_work)).rejects.toBeInstanceOf(LedgerStopped);
  });
});
