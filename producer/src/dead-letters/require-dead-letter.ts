import { callerOf, requirePermitted } from "../http/caller.ts";
import type { DeadLetters, InspectedRow } from "./dead-letters.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";

/** The dead letter that a request is about. Throws a problem when the caller has none such, or does not reach it. */
export async function requireDeadLetter(
  letters: Pick<DeadLetters, "find">,
  exchange: RequestContext,
  id: string,
): Promise<InspectedRow> {
  const row = await letters.find(callerOf(exchange).tenant, id);
  if (row === undefined) throw new ProblemError("dead-letter-not-found");
  requirePermitted(exchange, row);
  return row;
}
