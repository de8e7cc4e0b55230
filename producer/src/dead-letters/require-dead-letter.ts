import { callerOf, requirePermitted } from "../http/caller.ts";
import type { DeadLetters, InspectedRow } from "./dead-letters.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";

/** Returns the dead letter that a request names. Throws a problem if it does not exist or is not permitted. */
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
