import { defaultTenant } from "@toril/contract/api/access/api-key";
import type { ProblemKind } from "@toril/contract/api/problem";
import type { RequestContext } from "../http/request-context.ts";
import { beginTrail } from "./audit-middleware.ts";
import type { Audit } from "./audit.ts";

/** Audits the sign-ins of the console. */
export interface SignInAudit {
  /** Records that the principal of the request signed in or out. */
  record(context: RequestContext, action: "signIn" | "signOut"): Promise<void>;
  /** Records a failed sign-in, whose actor is unknown. */
  recordFailure(context: RequestContext, problem: ProblemKind): Promise<void>;
}

/** Anyone can fail to sign in, and the audit log is never deleted: further failures are only in the metrics. */
const maxFailures = 60;
const windowMs = 60_000;

export function createSignInAudit(audit: Audit, now: () => number = Date.now): SignInAudit {
  let failures = 0;
  let until = 0;

  return {
    record: (context, action) => beginTrail(audit, context, action).end("done"),
    async recordFailure(context, problem) {
      if (now() >= until) {
        failures = 0;
        until = now() + windowMs;
      }
      failures += 1;
      if (failures > maxFailures) return;
      const { path, requestId } = context;
      const trail = audit.begin({
        actor: "unknown",
        tenant: defaultTenant,
        action: "signIn",
        target: path,
        address: context.address(),
        requestId,
      });
      await trail.end(problem);
    },
  };
}
