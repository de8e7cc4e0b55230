import { isRowFault, isUniqueViolation } from "@toril/contract/engine/postgres/errors";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { Logger } from "pino";
import { pause } from "../worker/pause.ts";
import { type ActionDeps, createActions } from "./actions.ts";
import {
  claimOperation,
  type ClaimedOperation,
  failOperation,
  releaseOperation,
  stepOn,
  type Turn,
  untilNextTurn,
} from "./ledger-operations.ts";

export interface RunOperationsDeps extends ActionDeps {
  ledger: Pick<Ledger, "run">;
  findQuota: FindQuota;
  /** Redis did not follow: what is pending has to be placed later. */
  onLeftBehind(): void;
  log: Pick<Logger, "info" | "warn" | "error">;
}

const idleMs = 1000;
/** How soon a quota that is used up is asked again, at the soonest. */
const fullMs = 1000;
const faultMs = 1000;

/** Does what operations ask for, a step at a time, in turns of their tenants; shared with every other consumer. */
export function runOperations(deps: RunOperationsDeps): AsyncDisposable {
  const { ledger, findQuota, onLeftBehind, log } = deps;
  const actions = createActions(deps);
  const holder = crypto.randomUUID();
  const stop = new AbortController();
  const { signal } = stop;
  let isFailing = false;
  /** Whose operation had the last turn. */
  let lastTenant = "";

  /** @returns when the operation has its next turn, in milliseconds */
  async function step(operation: ClaimedOperation): Promise<number> {
    const { id, ratePerSecond } = operation;
    const startedAt = performance.now();
    const turn: Turn = { operation, holder, release() {} };
    const stepped = await ledger
      .run((sql) => sql.begin((tx) => stepOn(tx, turn, { actions, findQuota })))
      .finally(() => turn.release());
    if (stepped.status === "over") return 0;
    if (stepped.status === "full") return Math.max(fullMs, stepped.waitMs);
    if (stepped.status === "done") log.info({ operationId: id }, "operation ended");
    const { applied, seen, waitMs } = stepped;
    await applied.follow?.().catch((error: unknown) => {
      log.warn({ err: error, operationId: id }, "Redis did not follow an operation");
      onLeftBehind();
    });
    const tookMs = performance.now() - startedAt;
    // Half of the time at most, without a rate: others want the stores, too.
    const pacedMs = ratePerSecond === null ? tookMs : (1000 * seen) / ratePerSecond - tookMs;
    return Math.max(pacedMs, waitMs);
  }

  async function stepOrFail(operation: ClaimedOperation): Promise<number> {
    const { id } = operation;
    try {
      return await step(operation);
    } catch (error) {
      // A key that was taken at this moment is seen to be taken the next time.
      if (isUniqueViolation(error)) return faultMs;
      if (!isRowFault(error)) throw error;
      const said = error instanceof Error ? error.message : String(error);
      log.error({ err: error, operationId: id }, "operation failed");
      await ledger.run((sql) => failOperation(sql, { id, holder, error: said }));
      return 0;
    }
  }

  /** @returns how long to wait before there is something to do, in milliseconds */
  async function goOn(): Promise<number> {
    const operation = await ledger.run((sql) => claimOperation(sql, { holder, after: lastTenant }));
    if (operation === undefined) {
      const dueMs = await ledger.run((sql) => untilNextTurn(sql));
      return Math.min(dueMs ?? idleMs, idleMs);
    }
    lastTenant = operation.tenant;
    const dueMs = await stepOrFail(operation);
    await ledger.run((sql) => releaseOperation(sql, { id: operation.id, holder, dueMs }));
    return 0;
  }

  async function run() {
    while (!signal.aborted) {
      const waitMs = await goOn().then(
        (ms) => {
          isFailing = false;
          return ms;
        },
        (error: unknown) => {
          if (!isFailing && !signal.aborted) log.warn({ err: error }, "operations wait");
          isFailing = true;
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
