import type { Import } from "@toril/contract/import";
import { queueOf } from "@toril/contract/jobs";
import { callerOf, requireReach } from "./caller.ts";
import type { Exchange } from "./exchange.ts";
import type { ImportLedger } from "./import-ledger.ts";
import { ProblemError } from "./problem.ts";

/** The import that a request is about. Throws a problem when the caller has none such, or may not see its jobs. */
export async function requireImport(
  imports: Pick<ImportLedger, "find" | "whyMissing">,
  exchange: Exchange,
  id: string,
): Promise<Import> {
  const { tenant } = callerOf(exchange);
  const found = await imports.find(tenant, id);
  if (found === undefined) throw new ProblemError(await imports.whyMissing(tenant, id));
  requireReach(exchange, { type: found.type, queue: queueOf(found.type) });
  return found;
}
