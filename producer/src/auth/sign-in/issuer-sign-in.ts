import type { Logger } from "pino";
import type { Identity } from "../authenticator.ts";
import type { Principal } from "../principal.ts";
import { fitsCookie, startSession } from "./cookies.ts";
import {
  createIssuerClient,
  type PendingSignIn,
  SignInRefused,
  type SignInSettings,
  type Tokens,
} from "./issuer-client.ts";

/** The outcome of a sign-in or a refresh. */
type Outcome =
  | { status: "accepted"; principal: Principal; cookies: string[] }
  /** The reason is for people. */
  | { status: "refused"; reason: string }
  | { status: "unavailable" };

/** Sessions of the console that begin at the OpenID Connect issuer. */
export interface IssuerSignIn {
  /** Host of the issuer, for people. */
  name: string;
  /** Origin of the console. */
  origin: string;
  isSecure: boolean;
  /** Returns undefined if the issuer is unavailable. */
  begin(): Promise<{ location: URL; pending: PendingSignIn } | undefined>;
  complete(search: string, pending: PendingSignIn): Promise<Outcome>;
  refresh(refreshToken: string): Promise<Outcome>;
  /** Asks the issuer to revoke a refresh token, in the background. */
  revoke(refreshToken: string): void;
  /** Returns the address that ends the session at the issuer; undefined if there is none, or the issuer is unavailable. */
  getSignOutUrl(): Promise<URL | undefined>;
}

export interface IssuerSignInDeps {
  /** Identifies the caller by an Authorization header. */
  identify(authorization: string): Identity | Promise<Identity>;
  log: Logger;
}

export function createIssuerSignIn(
  settings: SignInSettings,
  { identify, log }: IssuerSignInDeps,
): IssuerSignIn {
  const client = createIssuerClient(settings);
  const isSecure = settings.origin.startsWith("https://");

  /** Logs no properties of the error, which may contain tokens. */
  function logFailure(error: unknown, message: string) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    log.warn({ issuer: settings.issuer, reason }, message);
  }

  async function accept(getTokens: Promise<Tokens>): Promise<Outcome> {
    let tokens: Tokens;
    try {
      tokens = await getTokens;
    } catch (error) {
      const isRefused = error instanceof SignInRefused;
      logFailure(isRefused ? error.cause : error, "the issuer did not complete a sign-in");
      return isRefused ? { status: "refused", reason: error.message } : { status: "unavailable" };
    }
    const { accessToken, refreshToken } = tokens;
    if (!fitsCookie(accessToken)) {
      const reason = `The access token (${accessToken.length} characters) is too long for a cookie: ask the issuer for fewer claims.`;
      return { status: "refused", reason };
    }
    const identity = await identify(`Bearer ${accessToken}`);
    if (identity.status === "unavailable") return identity;
    if (identity.status !== "authenticated") {
      const detail = "detail" in identity ? identity.detail : "";
      return { status: "refused", reason: `The access token is not accepted. ${detail}` };
    }
    const { principal } = identity;
    if (principal.scopes.size === 0) {
      return { status: "refused", reason: "The access token has no scope of this service." };
    }
    const isKept = refreshToken !== undefined && fitsCookie(refreshToken);
    const cookies = startSession(isSecure, accessToken, isKept ? refreshToken : undefined);
    return { status: "accepted", principal, cookies };
  }

  return {
    name: new URL(settings.issuer).host,
    origin: settings.origin,
    isSecure,
    begin: () =>
      client.begin().catch((error: unknown) => {
        logFailure(error, "the issuer did not begin a sign-in");
        return undefined;
      }),
    complete: (search, pending) => accept(client.complete(search, pending)),
    refresh: (refreshToken) => accept(client.refresh(refreshToken)),
    revoke(refreshToken) {
      client.revoke(refreshToken).catch((error: unknown) => {
        logFailure(error, "the issuer did not revoke a token");
      });
    },
    getSignOutUrl: () =>
      client.getSignOutUrl().catch((error: unknown) => {
        logFailure(error, "the issuer did not say how its session ends");
        return undefined;
      }),
  };
}
