import type { Import } from "@toril/contract/api/import";
import { queueOf } from "@toril/contract/api/job-types/index";
import { requirePermitted } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { ImportLedger } from "./import-ledger.ts";
import { ProblemError } from "../http/problem.ts";

/** Returns the import that a request names. Throws a problem if it does not exist or is not permitted. */
export async function requireImport(
  imports: Pick<ImportLedger, "find" | "getMissingReason">,
  context: RequestContext,
  id: string,
): Promise<Import> {
  const { tenant } = context.principal;
  const found = await imports.find(tenant, id);
  if (found === undefined) throw new ProblemError(await imports.getMissingReason(tenant, id));
  requirePermitted(context, { type: found.type, queue: queueOf(found.type) });
  return found;
}
