import { defaultTenant } from "@toril/contract/api/api-key";
import type { RequestContext } from "../http/request-context.ts";
import { notFoundProblem } from "../http/not-found.ts";
import type { Operation } from "../operations/operations.ts";
import { ProblemError } from "../http/problem.ts";
import type { Authenticator, Identity } from "./authenticator.ts";
import { type AccessRule, accessRuleFor } from "./access-rules.ts";
import type { FailedLoginPenalty } from "./failed-login-penalty.ts";

/**
 * Authenticates and authorizes a request: sets its principal, or returns the problem. Synchronous for a cached
 * credential.
 */
export type Access = (
  exchange: RequestContext,
  operation: Operation | undefined,
) => Refusal | Promise<Refusal>;

type Refusal = ProblemError | undefined;

export interface AccessDeps {
  authenticator: Authenticator;
  penalty: FailedLoginPenalty;
}

const wall: AccessRule = { scope: "any", isPage: false, isShared: false };

/**
 * Creates the access check of all requests, which runs before the body is read or any resource is looked up. A path
 * without an access rule is denied, so that a forgotten route is not open.
 */
export function createAccess({ authenticator, penalty }: AccessDeps): Access {
  return (exchange, operation) => {
    const found = accessRuleFor(exchange.path, operation);
    const door = found ?? wall;
    if (door.scope === "none") return undefined;
    const authorization = exchange.request.headers.get("authorization");
    const mayGuess = authorization !== null && !penalty.isIdle();
    const seconds = mayGuess ? penalty.secondsLeft(exchange.address()) : 0;
    if (seconds > 0) return guessing(seconds);
    // Browsers send Basic credentials automatically, so Basic authentication permits reads only (CSRF).
    const isPage = door.isPage && /^(GET|HEAD)$/.test(exchange.request.method);
    const identity = authenticator.identify(authorization, isPage);
    return identity instanceof Promise
      ? identity.then((known) => decide(exchange, found, isPage, known))
      : decide(exchange, found, isPage, identity);
  };

  function decide(
    exchange: RequestContext,
    door: AccessRule | undefined,
    isPage: boolean,
    identity: Identity,
  ): Refusal {
    if (identity.status === "wrong") penalty.note(exchange.address());
    if (identity.status !== "known") return unknown(identity, isPage);
    const { principal } = identity;
    if (door === undefined) return notFoundProblem(exchange.path);
    const { scope, isShared } = door;
    if (scope !== "any" && scope !== "none" && !principal.scopes.has(scope)) return lacking(scope);
    if (isShared && principal.tenant !== defaultTenant) return shared();
    exchange.principal = principal;
    return undefined;
  }
}

function unknown(identity: Exclude<Identity, { status: "known" }>, isPage: boolean): ProblemError {
  if (identity.status === "unknowable") {
    return new ProblemError("at-capacity", "The keys cannot be read now.");
  }
  const isWrong = identity.status === "wrong" || identity.status === "ended";
  const bearer = `Bearer realm="Toril"${isWrong ? ', error="invalid_token"' : ""}`;
  return new ProblemError("unauthenticated", detailOf(identity), undefined, {
    headers: { "WWW-Authenticate": isPage ? 'Basic realm="Toril", charset="UTF-8"' : bearer },
  });
}

function detailOf(identity: Exclude<Identity, { status: "known" | "unknowable" }>): string {
  if (identity.status === "missing") return "Send a key: Authorization: Bearer toril_...";
  if (identity.status !== "unmade") return identity.detail;
  return (
    "There is no key yet, and more than this machine may reach this address. Make the first one with " +
    "`bun run toril keys create --name admin --scopes keys:admin`, or set ALLOW_OPEN=true to serve everybody."
  );
}

function lacking(scope: string): ProblemError {
  const challenge = `Bearer realm="Toril", error="insufficient_scope", scope="${scope}"`;
  return new ProblemError("insufficient-scope", `It takes the scope ${scope}.`, undefined, {
    headers: { "WWW-Authenticate": challenge },
  });
}

function shared(): ProblemError {
  return new ProblemError(
    "insufficient-scope",
    `It is about the jobs of every tenant: it takes a key of the tenant ${defaultTenant}.`,
  );
}

function guessing(seconds: number): ProblemError {
  const detail = `Nothing is looked up for another ${seconds} s.`;
  return new ProblemError("too-many-failed-logins", detail, undefined, {
    headers: { "Retry-After": String(seconds) },
  });
}
