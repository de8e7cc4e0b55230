import { Hono } from "hono";
import type { SignInAudit } from "../audit/sign-in-audit.ts";
import { anyKey } from "../auth/access-rule.ts";
import { type Authorize, tooManyFailedLogins } from "../auth/access.ts";
import { getBearerToken, isTrustedConsoleRequest } from "../auth/console-session.ts";
import type { FailedLoginPenalty } from "../auth/failed-login-penalty.ts";
import { endSession, isSecureRequest, readCookie, startSession } from "../auth/sign-in/cookies.ts";
import type { IssuerSignIn } from "../auth/sign-in/issuer-sign-in.ts";
import { ProblemError, problemResponse } from "../http/problem.ts";
import type { AppEnv } from "../http/request-context.ts";
import { createIssuerRoutes } from "./issuer-routes.ts";

export interface SessionDeps {
  authorize: Authorize;
  penalty: FailedLoginPenalty;
  signInAudit: SignInAudit;
  /** Undefined without a client at the OpenID Connect issuer. */
  issuer: IssuerSignIn | undefined;
}

/** Serves the session of the console: sign-in by key or at the issuer, and sign-out. */
export function createSession(deps: SessionDeps): Hono<AppEnv> {
  const { authorize, penalty, signInAudit, issuer } = deps;
  const routes = new Hono<AppEnv>();

  routes.post("/", async (c) => {
    const { headers } = c.env.request;
    const refusal = await authorize(c.env, anyKey);
    if (refusal !== undefined) {
      const isAttempt = refusal.kind === "unauthenticated" && headers.has("authorization");
      if (isAttempt) await signInAudit.recordFailure(c.env, refusal.kind);
      return problemResponse(c.env, refusal);
    }
    const credential = getBearerToken(headers);
    // The service needs no session while it has no keys.
    if (c.env.principal.kind === "open" || credential === undefined) return setCookies([]);
    await signInAudit.record(c.env, "signIn");
    return setCookies(startSession(isSecureRequest(headers), credential));
  });

  routes.delete("/", async (c) => {
    const { headers } = c.env.request;
    const isSignedIn = (await authorize(c.env, anyKey)) === undefined;
    if (isSignedIn && c.env.principal.kind !== "open") await signInAudit.record(c.env, "signOut");
    const refreshToken = readCookie(headers, "toril-refresh");
    const isTrusted = isTrustedConsoleRequest(headers);
    if (refreshToken !== undefined && isTrusted) issuer?.revoke(refreshToken);
    const isOfIssuer =
      refreshToken !== undefined || (isSignedIn && c.env.principal.kind === "token");
    const signOutUrl = isOfIssuer && isTrusted ? await issuer?.getSignOutUrl() : undefined;
    const cookies = endSession(isSecureRequest(headers));
    if (signOutUrl === undefined) return setCookies(cookies);
    const response = c.json({ signOutUrl: signOutUrl.href }, 200, { "Cache-Control": "no-store" });
    addCookies(response.headers, cookies);
    return response;
  });

  routes.post("/refresh", async (c) => {
    const { headers } = c.env.request;
    const refreshToken = readCookie(headers, "toril-refresh");
    if (issuer === undefined || refreshToken === undefined || !isTrustedConsoleRequest(headers)) {
      throw new ProblemError("unauthenticated", "The session cannot be refreshed: sign in again.");
    }
    const seconds = penalty.secondsLeft(c.env.address());
    if (seconds > 0) throw tooManyFailedLogins(seconds);
    const refreshed = await issuer.refresh(refreshToken);
    if (refreshed.status === "unavailable") {
      throw new ProblemError("at-capacity", "The OpenID Connect issuer is unavailable.");
    }
    if (refreshed.status === "accepted") return setCookies(refreshed.cookies);
    penalty.countFailure(c.env.address());
    const response = problemResponse(c.env, new ProblemError("unauthenticated", refreshed.reason));
    addCookies(response.headers, endSession(isSecureRequest(headers)));
    return response;
  });

  routes.route("/", createIssuerRoutes({ issuer, penalty, signInAudit }));
  return routes;
}

function setCookies(cookies: readonly string[]): Response {
  const headers = new Headers({ "Cache-Control": "no-store" });
  addCookies(headers, cookies);
  return new Response(null, { status: 204, headers });
}

function addCookies(headers: Headers, cookies: readonly string[]) {
  for (const cookie of cookies) headers.append("Set-Cookie", cookie);
}
