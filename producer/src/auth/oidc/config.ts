import { ConfigError } from "@toril/contract/engine/config/config";
import { z } from "zod";
import type { OidcSettings } from "./oidc.ts";

const address = z.url({ protocol: /^https?$/, error: "must be an https:// or http:// address" });

export const oidcFields = {
  OIDC_ISSUER: address
    .optional()
    .describe("OpenID Connect issuer whose access tokens are accepted in addition to keys"),
  OIDC_AUDIENCE: z.string().optional().describe("list of accepted audiences of those tokens"),
  OIDC_JWKS_URL: address
    .optional()
    .describe("URL of the issuer's keys; by default found by OpenID Connect discovery"),
  OIDC_SCOPE_CLAIM: z.string().default("scope").describe("claim that contains the scopes"),
  OIDC_TENANT_CLAIM: z.string().optional().describe("claim that contains the tenant"),
};

type OidcConfig = z.output<z.ZodObject<typeof oidcFields>>;

/**
 * Returns undefined if no issuer is configured. An audience is required, so that tokens for other services are refused.
 */
export function toOidcSettings(config: OidcConfig): OidcSettings | undefined {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE = "", OIDC_JWKS_URL: jwksUrl } = config;
  const audiences = OIDC_AUDIENCE.split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  if (issuer === undefined) return undefined;
  if (audiences.length === 0) throw new ConfigError("OIDC_ISSUER needs OIDC_AUDIENCE");
  return {
    issuer,
    audiences,
    jwksUrl,
    claims: { scope: config.OIDC_SCOPE_CLAIM, tenant: config.OIDC_TENANT_CLAIM },
  };
}
