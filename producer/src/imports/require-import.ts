import type { Import } from "@toril/contract/api/import";
import { queueOf } from "@toril/contract/api/job-types/index";
import { callerOf, requirePermitted } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { ImportLedger } from "./import-ledger.ts";
import { ProblemError } from "../http/problem.ts";

/** The import that a request is about. Throws a problem when the caller has none such, or may not see its jobs. */
export async function requireImport(
  imports: Pick<ImportLedger, "find" | "whyMissing">,
  exchange: RequestContext,
  id: string,
): Promise<Import> {
  const { tenant } = callerOf(exchange);
  const found = await imports.find(tenant, id);
  if (found === undefined) throw new ProblemError(await imports.whyMissing(tenant, id));
  requirePermitted(exchange, { type: found.type, queue: queueOf(found.type) });
  return found;
}
