import { isRowFault, isUniqueViolation } from "@toril/contract/engine/postgres/errors";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { Logger } from "pino";
import { sleep } from "../wait.ts";
import { type ActionDeps, createActions } from "./actions.ts";
import {
  claimOperation,
  type ClaimedOperation,
  failOperation,
  releaseOperation,
  runStep,
  type Turn,
  getMsUntilNextTurn,
} from "./ledger-operations.ts";

export interface RunOperationsDeps extends ActionDeps {
  ledger: Pick<Ledger, "run">;
  findQuota: FindQuota;
  /** Called when Redis could not be updated: the reconciler must re-dispatch pending jobs. */
  onRedisUpdateFailed(): void;
  log: Pick<Logger, "info" | "warn" | "error">;
}

const idleMs = 1000;
/** Minimum wait before an exhausted quota is checked again. */
const quotaRetryMs = 1000;
const errorRetryMs = 1000;

/** Processes operations batch by batch, round-robin by tenant, shared among all consumers. */
export function runOperations(deps: RunOperationsDeps): AsyncDisposable {
  const { ledger, findQuota, onRedisUpdateFailed, log } = deps;
  const actions = createActions(deps);
  const holder = crypto.randomUUID();
  const stop = new AbortController();
  const { signal } = stop;
  let isFailing = false;
  /** Tenant of the previous turn. */
  let lastTenant = "";

  /** @returns milliseconds until the operation's next turn */
  async function step(operation: ClaimedOperation): Promise<number> {
    const { id, ratePerSecond } = operation;
    const startedAt = performance.now();
    const turn: Turn = { operation, holder, release() {} };
    const result = await ledger
      .run((sql) => sql.begin((tx) => runStep(tx, turn, { actions, findQuota })))
      .finally(() => turn.release());
    if (result.status === "over") return 0;
    if (result.status === "full") return Math.max(quotaRetryMs, result.waitMs);
    if (result.status === "done") log.info({ operationId: id }, "operation ended");
    const { applied, seen, waitMs } = result;
    await applied.updateRedis?.().catch((error: unknown) => {
      log.warn({ err: error, operationId: id }, "failed to apply an operation to Redis");
      onRedisUpdateFailed();
    });
    const tookMs = performance.now() - startedAt;
    // Without a rate, work at most half of the time: the stores also serve other clients.
    const atRateMs = ratePerSecond === null ? tookMs : (1000 * seen) / ratePerSecond - tookMs;
    return Math.max(atRateMs, waitMs);
  }

  async function stepOrFail(operation: ClaimedOperation): Promise<number> {
    const { id } = operation;
    try {
      return await step(operation);
    } catch (error) {
      // A concurrent insert took the dedup key; the next step sees the key as taken.
      if (isUniqueViolation(error)) return errorRetryMs;
      if (!isRowFault(error)) throw error;
      const message = error instanceof Error ? error.message : String(error);
      log.error({ err: error, operationId: id }, "operation failed");
      await ledger.run((sql) => failOperation(sql, { id, holder, error: message }));
      return 0;
    }
  }

  /** @returns milliseconds to wait before the next turn */
  async function runNextTurn(): Promise<number> {
    const operation = await ledger.run((sql) => claimOperation(sql, { holder, after: lastTenant }));
    if (operation === undefined) {
      const dueMs = await ledger.run((sql) => getMsUntilNextTurn(sql));
      return Math.min(dueMs ?? idleMs, idleMs);
    }
    lastTenant = operation.tenant;
    const dueMs = await stepOrFail(operation);
    await ledger.run((sql) => releaseOperation(sql, { id: operation.id, holder, dueMs }));
    return 0;
  }

  async function run() {
    while (!signal.aborted) {
      const waitMs = await runNextTurn().then(
        (ms) => {
          isFailing = false;
          return ms;
        },
        (error: unknown) => {
          if (!isFailing && !signal.aborted) log.warn({ err: error }, "failed to run operations");
          isFailing = true;
          return errorRetryMs;
        },
      );
      await sleep(waitMs, signal);
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
