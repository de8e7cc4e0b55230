/** A statement was not answered in time; its outcome is unknown. */
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
 * Worth repeating: connection lost (08), deadlock or serialization (40), resources (53), shutdown or time-out (57), a
 * standby that is not promoted yet, a transaction that was cut off.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof LedgerTimeout) return true;
  const code = sqlState(error);
  return (
    code !== undefined && (connectionCodes.has(code) || /^(08|40|53|57)|^(25006|25P03)$/.test(code))
  );
}

/** The fault of one row: its data (22), a constraint (23), a limit (54). */
export function isRowFault(error: unknown): boolean {
  return /^(22|23|54)...$/.test(sqlState(error) ?? "");
}

export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === "23505";
}

/** Another transaction held a row, a key or a table for longer than `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === "55P03";
}

/** Another transaction is in the way: a lock that it holds, a deadlock, a serialization failure. */
export function isConflict(error: unknown): boolean {
  return /^(40...|55P03)$/.test(sqlState(error) ?? "");
}

/** As `isLockTimeout`, of a row or key: the fault of one entry. Postgres names no tuple when a whole table was locked. */
export function isRowLockTimeout(error: unknown): boolean {
  return isLockTimeout(error) && contextOf(error) !== "";
}

/** As `isRowLockTimeout`, of an Idempotency-Key: another transaction is using it. */
export function isIdempotencyKeyInUse(error: unknown): boolean {
  return isLockTimeout(error) && contextOf(error).includes('"idempotency_keys"');
}

function contextOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("where" in error)) return "";
  return typeof error.where === "string" ? error.where : "";
}

function sqlState(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
