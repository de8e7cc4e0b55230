import { countWaiting } from "@toril/contract/ledger/count-waiting";
import type { Quotas } from "@toril/contract/quota";
import type { ISql } from "postgres";
import type { ClaimedOperation } from "./ledger-operations.ts";

export interface Allowance {
  jobsPerSecond: number;
  /** How many jobs may be made pending now. */
  room: number;
}

/** What an operation may do: what it was asked to, within the quotas that its maker's key has now. */
export async function readAllowance(sql: ISql, operation: ClaimedOperation): Promise<Allowance> {
  const { action, quotaKey, ratePerSecond } = operation;
  const asked = ratePerSecond ?? Infinity;
  if (action !== "retry" || quotaKey === null) return { jobsPerSecond: asked, room: Infinity };
  const [key] = await sql<{ quotas: Quotas | null }[]>`
    select quotas from api_keys where id = ${quotaKey}`;
  const { rate = Infinity, maxWaiting } = key?.quotas ?? {};
  const room =
    maxWaiting === undefined
      ? Infinity
      : maxWaiting - (await countWaiting(sql, quotaKey, maxWaiting));
  return { jobsPerSecond: Math.min(asked, rate), room };
}
