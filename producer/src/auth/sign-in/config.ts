import { ConfigError } from "@toril/contract/engine/config/config";
import { z } from "zod";
import type { SignInSettings } from "./issuer-client.ts";

export const signInFields = {
  PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: "must be an https:// or http:// address" })
    .optional()
    .describe(
      "address of the service in browsers, without a path: needed for the sign-in to `/console` with OpenID Connect",
    ),
  OIDC_CLIENT_ID: z
    .string()
    .min(1)
    .optional()
    .describe(
      "client ID of `/console` at `OIDC_ISSUER`: turns on the sign-in with OpenID Connect. Its redirect URI is `PUBLIC_URL` followed by `/console/session/callback`",
    ),
  OIDC_CLIENT_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe("secret of that client; a public client has none"),
  OIDC_SIGN_IN_SCOPE: z
    .string()
    .default("openid")
    .describe(
      "scopes that `/console` requests, separated by spaces; with `offline_access`, most issuers return a refresh token, and the session outlives the access token",
    ),
  OIDC_SIGN_IN_PARAMETERS: z
    .string()
    .default("")
    .describe(
      "further parameters of the authorization request, as in a query: `audience=https://toril.example.com`",
    ),
};

type SignInConfig = z.output<z.ZodObject<typeof signInFields>> & {
  OIDC_ISSUER?: string | undefined;
};

/** Returns undefined if the console offers no sign-in with OpenID Connect. */
export function toSignInSettings(config: SignInConfig): SignInSettings | undefined {
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId, PUBLIC_URL: publicUrl } = config;
  if (clientId === undefined) return undefined;
  if (issuer === undefined) throw new ConfigError("OIDC_CLIENT_ID needs OIDC_ISSUER");
  if (publicUrl === undefined) throw new ConfigError("OIDC_CLIENT_ID needs PUBLIC_URL");
  const { origin, href } = new URL(publicUrl);
  if (href !== `${origin}/`) throw new ConfigError("PUBLIC_URL must have no path and no query");
  return {
    issuer,
    clientId,
    clientSecret: config.OIDC_CLIENT_SECRET,
    scope: config.OIDC_SIGN_IN_SCOPE,
    parameters: Object.fromEntries(new URLSearchParams(config.OIDC_SIGN_IN_PARAMETERS)),
    origin,
  };
}
