import { defaultTenant } from "@toril/contract/api/access/api-key";
import type { ProblemKind } from "@toril/contract/api/problem";
import type { RequestContext } from "../http/request-context.ts";
import { toNetwork } from "../auth/failed-login-penalty.ts";
import { beginTrail } from "./audit-middleware.ts";
import type { Audit } from "./audit.ts";

type FailedRequest = Pick<RequestContext, "path" | "requestId" | "address">;

/** Audits the sign-ins of the console. */
export interface SignInAudit {
  /** Records that the principal of the request signed in or out. */
  record(context: RequestContext, action: "signIn" | "signOut"): Promise<void>;
  /** Records a failed sign-in, whose actor is unknown. */
  recordFailure(context: FailedRequest, problem: ProblemKind): Promise<void>;
}

/** Anyone can fail to sign in, and the audit log is never deleted: further failures are only in the metrics. */
const maxFailures = 200;
/** One address cannot hide the failures of others. */
const maxFailuresOfNetwork = 20;
const windowMs = 60_000;

export function createSignInAudit(audit: Audit, now: () => number = Date.now): SignInAudit {
  /** Failures by network; at most `maxFailures`. */
  const failures = new Map<string, number>();
  let total = 0;
  let until = 0;

  function isRecorded(network: string): boolean {
    if (now() >= until) {
      failures.clear();
      total = 0;
      until = now() + windowMs;
    }
    const count = failures.get(network) ?? 0;
    if (count >= maxFailuresOfNetwork || total >= maxFailures) return false;
    failures.set(network, count + 1);
    total += 1;
    return true;
  }

  return {
    record: (context, action) => beginTrail(audit, context, action).end("done"),
    async recordFailure(context, problem) {
      const { path, requestId } = context;
      const address = context.address();
      if (!isRecorded(toNetwork(address))) return;
      const trail = audit.begin({
        actor: "unknown",
        tenant: defaultTenant,
        action: "signIn",
        target: path,
        address,
        requestId,
      });
      await trail.end(problem);
    },
  };
}
