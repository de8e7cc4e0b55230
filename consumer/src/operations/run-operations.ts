import { isRowFault, isUniqueViolation } from "@toril/contract/ledger/errors";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { Logger } from "pino";
import { pause } from "../pause.ts";
import { type ActionDeps, createActions } from "./actions.ts";
import {
  claimOperation,
  type ClaimedOperation,
  failOperation,
  releaseOperation,
  stepOn,
} from "./ledger-operations.ts";

export interface RunOperationsDeps extends ActionDeps {
  ledger: Pick<Ledger, "run">;
  /** Redis did not follow: what is pending has to be placed later. */
  onLeftBehind(): void;
  log: Pick<Logger, "info" | "warn" | "error">;
}

/** Short enough that nobody waits for its locks, and Redis for its scripts. */
const batchSize = 250;
const idleMs = 1000;
const faultMs = 1000;

/** Does what operations ask for, one after the other, shared with every other consumer. */
export function runOperations(deps: RunOperationsDeps): AsyncDisposable {
  const { ledger, onLeftBehind, log } = deps;
  const actions = createActions(deps);
  const holder = crypto.randomUUID();
  const stop = new AbortController();
  const { signal } = stop;
  let isFailing = false;

  async function carryOut(operation: ClaimedOperation) {
    const { id, ratePerSecond } = operation;
    const size = Math.min(batchSize, ratePerSecond ?? batchSize);
    for (let isOver = false; !isOver && !signal.aborted;) {
      const startedAt = performance.now();
      const step = await ledger.run((sql) =>
        sql.begin((tx) => stepOn(tx, { operation, holder, size }, actions)),
      );
      isFailing = false;
      isOver = step.status !== "more";
      if (step.status === "over") break;
      await step.applied.follow?.().catch((error: unknown) => {
        log.warn({ err: error, operationId: id }, "Redis did not follow an operation");
        onLeftBehind();
      });
      const tookMs = performance.now() - startedAt;
      // Half of the time at most, without a rate: others want the stores, too.
      const dueMs = ratePerSecond === null ? 2 * tookMs : (1000 * step.seen) / ratePerSecond;
      if (!isOver) await pause(dueMs - tookMs, signal);
    }
    if (signal.aborted) await ledger.run((sql) => releaseOperation(sql, id, holder));
    else log.info({ operationId: id }, "operation ended");
  }

  async function tryNext(): Promise<number> {
    const operation = await ledger.run((sql) => claimOperation(sql, holder));
    if (operation === undefined) return idleMs;
    log.info({ operationId: operation.id, action: operation.action }, "operation goes on");
    for (;;) {
      try {
        await carryOut(operation);
        return 0;
      } catch (error) {
        // A key that was taken at this moment is seen to be taken the next time.
        if (isRowFault(error) && !isUniqueViolation(error)) {
          const said = error instanceof Error ? error.message : String(error);
          log.error({ err: error, operationId: operation.id }, "operation failed");
          const failure = { id: operation.id, holder, error: said };
          await ledger.run((sql) => failOperation(sql, failure));
          return 0;
        }
        complain(error);
        await pause(faultMs, signal);
        if (signal.aborted) return 0;
      }
    }
  }

  function complain(error: unknown) {
    if (!isFailing && !signal.aborted) log.warn({ err: error }, "operations wait");
    isFailing = true;
  }

  async function run() {
    while (!signal.aborted) {
      const waitMs = await tryNext().then(
        (ms) => {
          isFailing = false;
          return ms;
        },
        (error: unknown) => {
          complain(error);
          return faultMs;
        },
      );
      await pause(waitMs, signal);
    }
  }

  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
