import { defaultTenant } from "@toril/contract/api/access/api-key";
import { getSufficientScopes, type Scope } from "@toril/contract/api/access/scope";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { AccessRule } from "./access-rule.ts";
import type { Authenticator, Identity } from "./authenticator.ts";
import type { FailedLoginPenalty } from "./failed-login-penalty.ts";
import { getSessionAuthorization, isConsoleRequest } from "./console-session.ts";

/**
 * Authenticates and authorizes a request: sets its principal, or returns the problem. Synchronous for a cached
 * credential.
 */
export type Authorize = (context: RequestContext, rule: AccessRule) => Refusal | Promise<Refusal>;

type Refusal = ProblemError | undefined;

export interface AuthorizeDeps {
  authenticator: Authenticator;
  penalty: FailedLoginPenalty;
}

/** Creates the access check of all requests, which runs before the body is read or any resource is looked up. */
export function createAuthorize({ authenticator, penalty }: AuthorizeDeps): Authorize {
  return (context, rule) => {
    context.accessRule = rule;
    if (rule.scope === "none") return undefined;
    const { request } = context;
    const { method, headers } = request;
    const authorization =
      headers.get("authorization") ?? getSessionAuthorization(request, rule.isPage);
    const isPenalized = authorization !== null && !penalty.isIdle();
    const seconds = isPenalized ? penalty.secondsLeft(context.address()) : 0;
    if (seconds > 0) return tooManyFailedLogins(seconds);
    // Browsers send Basic credentials automatically, so Basic authentication permits reads only (CSRF).
    const isPage = rule.isPage && /^(GET|HEAD)$/.test(method) && !isConsoleRequest(headers);
    const identity = authenticator.identify(authorization, isPage);
    return identity instanceof Promise
      ? identity.then((verified) => decide(context, rule, isPage, verified))
      : decide(context, rule, isPage, identity);
  };

  function decide(
    context: RequestContext,
    { scope, isShared }: AccessRule,
    isPage: boolean,
    identity: Identity,
  ): Refusal {
    if (identity.status === "invalid") penalty.countFailure(context.address());
    if (identity.status !== "authenticated") return unauthenticated(identity, isPage);
    const { principal } = identity;
    if (scope !== "any" && scope !== "none" && !principal.scopes.has(scope)) {
      return insufficientScope(scope);
    }
    if (isShared && principal.tenant !== defaultTenant) return otherTenant();
    context.principal = principal;
    return undefined;
  }
}

/** Throws a problem if the caller lacks a scope that only some requests of an operation need. */
export function requireScope({ principal }: RequestContext, scope: Scope): void {
  if (!principal.scopes.has(scope)) throw insufficientScope(scope);
}

function unauthenticated(
  identity: Exclude<Identity, { status: "authenticated" }>,
  isPage: boolean,
): ProblemError {
  if (identity.status === "unavailable") {
    return new ProblemError("at-capacity", "The API keys cannot be read at the moment.");
  }
  const isInvalid = identity.status === "invalid" || identity.status === "rejected";
  const bearer = `Bearer realm="Toril"${isInvalid ? ', error="invalid_token"' : ""}`;
  return new ProblemError("unauthenticated", getDetail(identity), undefined, {
    headers: { "WWW-Authenticate": isPage ? 'Basic realm="Toril", charset="UTF-8"' : bearer },
  });
}

function getDetail(
  identity: Exclude<Identity, { status: "authenticated" | "unavailable" }>,
): string {
  if (identity.status === "missing") return "Send a key: Authorization: Bearer toril_...";
  if (identity.status !== "no-keys") return identity.detail;
  return (
    "No API key exists yet, and the address is reachable from other machines. Create the first key with " +
    "`bun run toril keys create --ledger --name admin --scopes keys:admin`, or set ALLOW_OPEN=true to disable authentication."
  );
}

function insufficientScope(scope: Scope): ProblemError {
  const challenge = `Bearer realm="Toril", error="insufficient_scope", scope="${scope}"`;
  return new ProblemError(
    "insufficient-scope",
    `Requires the scope ${getSufficientScopes(scope).join(" or ")}.`,
    undefined,
    {
      headers: { "WWW-Authenticate": challenge },
    },
  );
}

function otherTenant(): ProblemError {
  return new ProblemError(
    "insufficient-scope",
    `Affects the jobs of all tenants: requires a key of the tenant ${defaultTenant}.`,
  );
}

/** Refuses an address that failed to log in too often. */
export function tooManyFailedLogins(seconds: number): ProblemError {
  const detail = `Too many failed logins from this address. Retry in ${seconds} s.`;
  return new ProblemError("too-many-failed-logins", detail, undefined, {
    headers: { "Retry-After": String(seconds) },
  });
}
