import * as oidc from "openid-client";

export interface SignInSettings {
  issuer: string;
  clientId: string;
  clientSecret: string | undefined;
  scope: string;
  /** Further parameters of the authorization request. */
  parameters: Record<string, string>;
  /** Origin of the console in browsers. */
  origin: string;
}

/** What a browser keeps between the start and the end of a sign-in. */
export interface PendingSignIn {
  state: string;
  nonce: string;
  verifier: string;
}

export interface Tokens {
  accessToken: string;
  refreshToken: string | undefined;
}

/** The issuer refused the sign-in or the refresh; the message is for people. */
export class SignInRefused extends Error {}

/** Signs people in at the OpenID Connect issuer: authorization code flow with PKCE. */
export interface IssuerClient {
  /** Returns the address of the issuer's sign-in page. */
  begin(): Promise<{ location: URL; pending: PendingSignIn }>;
  /** @param search the query with which the issuer sent the browser back */
  complete(search: string, pending: PendingSignIn): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
  /** Has no effect if the issuer cannot revoke tokens. */
  revoke(refreshToken: string): Promise<void>;
  /** Returns the address that ends the session at the issuer, if the issuer has one. */
  getSignOutUrl(): Promise<URL | undefined>;
}

const callbackPath = "/console/session/callback";
const timeoutSeconds = 5;

export function createIssuerClient(settings: SignInSettings): IssuerClient {
  const { issuer, clientId, clientSecret, scope, parameters, origin } = settings;
  const redirectUri = `${origin}${callbackPath}`;
  let discovering: Promise<oidc.Configuration> | undefined;

  /** Discovers the endpoints when someone first signs in: the producer starts without the issuer. */
  function discover(): Promise<oidc.Configuration> {
    discovering ??= oidc
      .discovery(
        new URL(issuer),
        clientId,
        undefined,
        clientSecret === undefined ? oidc.None() : oidc.ClientSecretPost(clientSecret),
        {
          timeout: timeoutSeconds,
          execute: issuer.startsWith("http://") ? [oidc.allowInsecureRequests] : [],
        },
      )
      .catch((error: unknown) => {
        discovering = undefined;
        throw error;
      });
    return discovering;
  }

  return {
    async begin() {
      const pending = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
      };
      const location = oidc.buildAuthorizationUrl(await discover(), {
        ...parameters,
        redirect_uri: redirectUri,
        scope,
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
        code_challenge_method: "S256",
      });
      return { location, pending };
    },
    async complete(search, { state, nonce, verifier }) {
      const configuration = await discover();
      const checks = {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      };
      const url = new URL(search, redirectUri);
      return toTokens(await oidc.authorizationCodeGrant(configuration, url, checks).catch(refuse));
    },
    async refresh(refreshToken) {
      const response = await oidc.refreshTokenGrant(await discover(), refreshToken).catch(refuse);
      const tokens = toTokens(response);
      return { ...tokens, refreshToken: tokens.refreshToken ?? refreshToken };
    },
    async revoke(refreshToken) {
      const configuration = await discover();
      if (configuration.serverMetadata().revocation_endpoint === undefined) return;
      await oidc.tokenRevocation(configuration, refreshToken);
    },
    async getSignOutUrl() {
      const configuration = await discover();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
      // Without an id_token_hint, which would fill a cookie, issuers find the client by its ID.
      return oidc.buildEndSessionUrl(configuration, {
        post_logout_redirect_uri: `${origin}/console`,
      });
    },
  };
}

function toTokens({
  access_token,
  refresh_token,
}: {
  access_token: string;
  refresh_token?: string;
}) {
  return { accessToken: access_token, refreshToken: refresh_token };
}

/** Throws `SignInRefused` for a response that refuses or is not valid; other errors may pass. */
function refuse(error: unknown): never {
  const status = getStatus(error);
  // The issuer, or a proxy before it, is overloaded or restarting.
  if (status !== undefined && (status === 429 || status >= 500)) throw error;
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) {
    const { error: code, error_description: description } = error;
    const reason = [code, description].filter(Boolean).join(": ");
    throw new SignInRefused(`The issuer refused: ${reason}`, { cause: error });
  }
  if (error instanceof oidc.ClientError && error.code !== "OAUTH_TIMEOUT") {
    const reason =
      "The response of the issuer is not valid; the log of the producer has the reason.";
    throw new SignInRefused(reason, { cause: error });
  }
  throw error;
}

/** Returns the status of the response that caused an error. */
function getStatus(error: unknown): number | undefined {
  if (error instanceof oidc.ResponseBodyError) return error.status;
  if (error instanceof oidc.ClientError && error.cause instanceof Response) {
    return error.cause.status;
  }
  return undefined;
}
