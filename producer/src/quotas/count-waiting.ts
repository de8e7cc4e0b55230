import type { Ledger } from "@toril/contract/ledger/pool";

export type CountWaiting = (quotaKey: string, limit: number) => Promise<number>;

/** How many jobs of a key have not ended. Reads no more of the index than `limit` asks for. */
export function createCountWaiting(ledger: Ledger): CountWaiting {
  return (quotaKey, limit) =>
    ledger.run(async (sql) => {
      const [row] = await sql<[{ waiting: number }]>`
        select count(*)::int as waiting from (
          select from jobs where quota_key = ${quotaKey} and status = 'pending' limit ${limit}
        ) as found`;
      return row.waiting;
    });
}
