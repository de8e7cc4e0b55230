import { createHash, randomUUID } from "node:crypto";

export interface _AuthorizationServerSettings {
  url: string;
  clientId: string;
  clientSecret: string;
  redirectUri: string;
  signAccessToken(): Promise<string>;
  signIdToken(claims: Record<string, string>): Promise<string>;
}

interface Grant {
  challenge: string;
  nonce: string;
}

/** The endpoints of an issuer where people sign in: authorization code flow with PKCE, refresh with rotation, revocation. */
export function _createAuthorizationServer(settings: _AuthorizationServerSettings) {
  const { url, clientId, clientSecret, redirectUri } = settings;
  const grants = new Map<string, Grant>();
  const refreshTokens = new Set<string>();
  const counts = { refreshed: 0, revoked: 0 };

  /** A page with a link for consent and one for refusal, as a person sees it. */
  function authorize(query: URLSearchParams): Response {
    const get = (name: string) => query.get(name) ?? "";
    const isValid =
      get("client_id") === clientId &&
      get("redirect_uri") === redirectUri &&
      get("response_type") === "code" &&
      get("code_challenge_method") === "S256" &&
      get("scope").split(" ").includes("openid");
    if (!isValid) return new Response(`invalid request: ${query.toString()}`, { status: 400 });
    const code = randomUUID();
    grants.set(code, { challenge: get("code_challenge"), nonce: get("nonce") });
    const back = (values: Record<string, string>) =>
      `${redirectUri}?${new URLSearchParams({ ...values, state: get("state") }).toString()}`.replaceAll(
        "&",
        "&amp;",
      );
    const html = `<!doctype html><title>Issuer</title>
      <a href="${back({ code })}">Sign in as alice</a>
      <a href="${back({ error: "access_denied", error_description: "alice said no" })}">Refuse</a>`;
    return new Response(html, { headers: { "Content-Type": "text/html" } });
  }

  async function grant(form: URLSearchParams): Promise<Response> {
    const isClient =
      form.get("client_id") === clientId && form.get("client_secret") === clientSecret;
    if (!isClient) return refuse("invalid_client", 401);
    const code = form.get("code") ?? "";
    const refreshToken = form.get("refresh_token") ?? "";
    let nonce: string | undefined;
    if (form.get("grant_type") === "refresh_token") {
      if (!refreshTokens.delete(refreshToken)) return refuse("invalid_grant");
      counts.refreshed += 1;
    } else {
      const granted = grants.get(code);
      const hash = createHash("sha256")
        .update(form.get("code_verifier") ?? "")
        .digest("base64url");
      if (granted?.challenge !== hash || form.get("redirect_uri") !== redirectUri) {
        return refuse("invalid_grant");
      }
      grants.delete(code);
      ({ nonce } = granted);
    }
    const next = randomUUID();
    refreshTokens.add(next);
    return Response.json({
      token_type: "Bearer",
      access_token: await settings.signAccessToken(),
      refresh_token: next,
      ...(nonce !== undefined && {
        id_token: await settings.signIdToken({ aud: clientId, nonce }),
      }),
    });
  }

  return {
    counts,
    /** Ends all sessions at the issuer. */
    endSessions: () => refreshTokens.clear(),
    /** Members of the discovery document. */
    metadata: {
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      revocation_endpoint: `${url}/revoke`,
      end_session_endpoint: `${url}/logout`,
    },
    /** Returns undefined for other paths. */
    async respond(request: Request): Promise<Response | undefined> {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname.endsWith("/authorize")) return authorize(searchParams);
      if (!/\/(token|revoke)$/.test(pathname)) return undefined;
      const form = new URLSearchParams(await request.text());
      if (pathname.endsWith("/token")) return grant(form);
      if (refreshTokens.delete(form.get("token") ?? "")) counts.revoked += 1;
      return new Response();
    },
  };
}

function refuse(error: string, status = 400): Response {
  return Response.json({ error }, { status });
}
