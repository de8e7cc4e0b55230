/** A statement timed out; its outcome is unknown. */
export class LedgerTimeout extends Error {
  constructor(timeoutMs: number, options?: ErrorOptions) {
    super(`Postgres did not answer within ${timeoutMs} ms`, options);
  }
}

const connectionCodes = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "ENOTFOUND",
]);

/**
 * Whether a retry may succeed: connection lost (08), deadlock or serialization failure (40), insufficient resources
 * (53), shutdown or timeout (57), a standby before promotion, an interrupted transaction.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof LedgerTimeout) return true;
  const code = sqlState(error);
  return (
    code !== undefined && (connectionCodes.has(code) || /^(08|40|53|57)|^(25006|25P03)$/.test(code))
  );
}

/** Whether the connection broke or could not be opened. */
export function isConnectionError(error: unknown): boolean {
  const code = sqlState(error);
  return code !== undefined && (connectionCodes.has(code) || /^(08...|57P0[1-3])$/.test(code));
}

/** Whether one row is at fault: invalid data (22), a constraint (23), a limit (54). */
export function isRowFault(error: unknown): boolean {
  return /^(22|23|54)...$/.test(sqlState(error) ?? "");
}

/** Whether a unique constraint failed. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === "23505";
}

/** Whether a row, key or table stayed locked for longer than `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === "55P03";
}

/** Whether another transaction caused the error: lock timeout, deadlock, serialization failure. */
export function isConflict(error: unknown): boolean {
  return /^(40...|55P03)$/.test(sqlState(error) ?? "");
}

/** Whether the lock timeout concerns a row or key, thus one entry. Postgres reports no tuple for a table lock. */
export function isRowLockTimeout(error: unknown): boolean {
  return isLockTimeout(error) && getContext(error) !== "";
}

/** Whether the lock timeout concerns an Idempotency-Key, which another transaction is using. */
export function isIdempotencyKeyInUse(error: unknown): boolean {
  return isLockTimeout(error) && getContext(error).includes('"idempotency_keys"');
}

function getContext(error: unknown): string {
  if (typeof error !== "object" || error === null || !("where" in error)) return "";
  return typeof error.where === "string" ? error.where : "";
}

function sqlState(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
