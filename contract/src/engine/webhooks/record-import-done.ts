import type { ISql } from "postgres";
import { countedImportColumns, importEvents } from "./record-events.ts";

/** Records the events of an import if its body was read and its jobs have all ended, in the transaction that ends its body. */
export async function recordImportDone(tx: ISql, id: string): Promise<void> {
  await tx`
    with counted_imports as (select ${tx.unsafe(countedImportColumns)} from imports where id = ${id}),
    ${tx.unsafe(importEvents)}
    select 1`;
}
