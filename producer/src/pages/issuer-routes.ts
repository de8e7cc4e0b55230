import { Hono } from "hono";
import type { ProblemKind } from "@toril/contract/api/problem";
import type { SignInAudit } from "../audit/sign-in-audit.ts";
import type { FailedLoginPenalty } from "../auth/failed-login-penalty.ts";
import {
  forgetError,
  forgetPending,
  keepError,
  keepPending,
  readError,
  readPending,
} from "../auth/sign-in/cookies.ts";
import type { IssuerSignIn } from "../auth/sign-in/issuer-sign-in.ts";
import { ProblemError } from "../http/problem.ts";
import { type AppEnv, getTarget, type RequestContext } from "../http/request-context.ts";
import { withPolicy } from "./page.ts";

export interface IssuerRoutesDeps {
  issuer: IssuerSignIn | undefined;
  penalty: FailedLoginPenalty;
  signInAudit: SignInAudit;
}

/** Serves the sign-in at the OpenID Connect issuer, and the data of the sign-in page. */
export function createIssuerRoutes(deps: IssuerRoutesDeps): Hono<AppEnv> {
  const { issuer, penalty, signInAudit } = deps;
  const routes = new Hono<AppEnv>();

  routes.get("/", (c) => {
    const { headers } = c.env.request;
    const options = {
      oidc:
        issuer === undefined ? null : { issuer: issuer.name, url: `${issuer.origin}${loginPath}` },
      error: readError(headers),
    };
    const response = c.json(options, 200, { "Cache-Control": "no-store" });
    if (options.error !== null && issuer !== undefined) {
      response.headers.append("Set-Cookie", forgetError(issuer.isSecure));
    }
    return response;
  });

  routes.get("/login", async (c) => {
    const { isSecure, origin, begin } = requireIssuer();
    const to = toConsolePage(getQuery(c.env).get("to"), origin);
    const begun = await begin();
    if (begun === undefined) {
      return hop(to, [keepError(isSecure, "The OpenID Connect issuer is unavailable.")]);
    }
    const headers = new Headers({ Location: begun.location.href, "Cache-Control": "no-store" });
    headers.append("Set-Cookie", keepPending(isSecure, { ...begun.pending, to }));
    return new Response(null, { status: 302, headers });
  });

  routes.get("/callback", async (c) => {
    const { isSecure, origin, complete } = requireIssuer();
    const pending = readPending(isSecure, c.env.request.headers);
    const to = toConsolePage(pending?.to, origin);

    async function fail(reason: string, problem: ProblemKind) {
      await signInAudit.recordFailure(c.env, problem);
      return hop(to, [forgetPending(isSecure), keepError(isSecure, reason)]);
    }

    if (pending === undefined) {
      const reason = "The sign-in took longer than 10 minutes, or began in another browser.";
      return fail(reason, "unauthenticated");
    }
    const address = c.env.address();
    // Anyone can send a cookie and a code: the issuer must not be asked about each of them.
    const seconds = penalty.secondsLeft(address);
    if (seconds > 0) {
      const reason = `Too many failed logins from this address. Retry in ${seconds} s.`;
      return hop(to, [forgetPending(isSecure), keepError(isSecure, reason)]);
    }
    const completed = await complete(`?${getQuery(c.env).toString()}`, pending);
    if (completed.status === "unavailable") {
      return fail("The OpenID Connect issuer is unavailable.", "at-capacity");
    }
    if (completed.status === "refused") {
      penalty.countFailure(address);
      return fail(completed.reason, "unauthenticated");
    }
    c.env.principal = completed.principal;
    await signInAudit.record(c.env, "signIn");
    return hop(to, [forgetPending(isSecure), forgetError(isSecure), ...completed.cookies]);
  });

  function requireIssuer(): IssuerSignIn {
    if (issuer !== undefined) return issuer;
    throw new ProblemError("not-found", "The sign-in with OpenID Connect is not configured.");
  }

  return routes;
}

const loginPath = "/console/session/login";

function getQuery({ request }: RequestContext): URLSearchParams {
  const target = getTarget(request.url);
  const start = target.indexOf("?");
  return new URLSearchParams(start === -1 ? "" : target.slice(start));
}

/** Returns the path of a page of the console, and never an address elsewhere. */
function toConsolePage(to: string | null | undefined, origin: string): string {
  const url = URL.parse(to ?? "", origin);
  if (
    url === null ||
    url.origin !== origin ||
    !/^\/console(\/(?!session\b)|$)/.test(url.pathname)
  ) {
    return "/console";
  }
  return url.pathname + url.search;
}

/**
 * Responds with a page that leads to a page of the console. A redirect would continue the request of the issuer's site,
 * with which browsers send no cookie that is `SameSite=Strict`.
 */
function hop(to: string, cookies: readonly string[]): Response {
  const address = to.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Toril</title>
<meta http-equiv="refresh" content="0;url=${address}"></head>
<body><a href="${address}">Continue to the console</a></body></html>`;
  const response = withPolicy(html, {});
  for (const cookie of cookies) response.headers.append("Set-Cookie", cookie);
  return response;
}
