import { _openIssuer } from "../../contract/test/_issuer.ts";
import type { Stack } from "./_stack.ts";

/**
 * Starts an OpenID Connect issuer, and a producer whose console offers the sign-in there. Browsers take both for two
 * sites: one is at `127.0.0.1`, the other at `localhost`.
 */
export async function startOidcProducer(stack: Stack, scope: string) {
  const audience = "toril";
  const client = { clientId: "console", clientSecret: "a secret" };
  const issuer = await _openIssuer(audience);
  let origin = "";
  await stack.startProducer((port) => {
    origin = `http://localhost:${port}`;
    return {
      OIDC_ISSUER: issuer.url,
      OIDC_AUDIENCE: audience,
      OIDC_CLIENT_ID: client.clientId,
      OIDC_CLIENT_SECRET: client.clientSecret,
      PUBLIC_URL: origin,
    };
  });
  const people = issuer.openForPeople({
    ...client,
    redirectUri: `${origin}/console/session/callback`,
    signAccessToken: () => issuer.sign({ scope }),
  });
  return {
    people,
    issuerUrl: issuer.url,
    origin,
    [Symbol.asyncDispose]: () => issuer.close(),
  };
}
