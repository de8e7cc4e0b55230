import postgres from "postgres";
import { arrayTypes } from "@toril/contract/ledger/array-types";
import { createLedger, type Ledger } from "@toril/contract/ledger/pool";

/**
 * @param timeoutMs the deadline of an answer: a statement must end before it, by Postgres' clock or by ours
 */
export function connectLedger(
  url: string,
  timeoutMs: number,
  { connections = 10 }: { connections?: number } = {},
): Ledger {
  return createLedger(
    () =>
      postgres(url, {
        max: connections,
        fetch_types: false,
        types: arrayTypes,
        connect_timeout: 2,
        idle_timeout: 60,
        backoff: (retries) => Math.min(0.05 * 2 ** retries, 1),
        onnotice: () => {},
        connection: {
          application_name: "toril-producer",
          statement_timeout: Math.floor(timeoutMs * 0.8),
          lock_timeout: Math.floor(timeoutMs * 0.2),
          idle_in_transaction_session_timeout: timeoutMs,
        },
      }),
    { timeoutMs: Math.floor(timeoutMs * 0.9) },
  );
}
