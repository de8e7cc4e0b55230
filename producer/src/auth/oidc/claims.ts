import type { JWTPayload } from "jose";
import { z } from "zod";
import { defaultTenant, Tenant } from "@toril/contract/api/access/api-key";
import { expandScopes, Scope } from "@toril/contract/api/access/scope";
import type { Principal } from "../principal.ts";

/** Names of the claims that hold the scopes and the tenant. `a.b` addresses a nested member. */
export interface ClaimNames {
  scope: string;
  /** Without it, every token belongs to the tenant `default`. */
  tenant?: string | undefined;
}

const Text = z.string().min(1).max(255);

/** Returns the principal of a verified token, or a text that says why the token is not acceptable. */
export function readClaims(payload: JWTPayload, names: ClaimNames): Principal | string {
  if (payload["cnf"] !== undefined) return "The token is bound to a key of its client (cnf).";
  const client = Text.safeParse(payload["client_id"] ?? payload["azp"]).data;
  const id = Text.safeParse(payload.sub ?? client).data;
  if (id === undefined) return "The token has no subject (sub).";
  const tenant =
    names.tenant === undefined
      ? defaultTenant
      : Tenant.safeParse(getClaim(payload, names.tenant)).data;
  if (tenant === undefined) return `The token has no tenant (${names.tenant}).`;
  return {
    id,
    name: client ?? id,
    kind: "token",
    tenant,
    scopes: parseScopes(getClaim(payload, names.scope)),
    queues: null,
    types: null,
    quotas: null,
  };
}

/** Parses scopes as issuers write them, a space-separated string or an array. Unknown scopes are ignored. */
function parseScopes(value: unknown): Set<Scope> {
  const named = typeof value === "string" ? value.split(" ") : Array.isArray(value) ? value : [];
  return expandScopes(named.flatMap((scope) => Scope.safeParse(scope).data ?? []));
}

function getClaim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  return name.split(".").reduce<unknown>((value, part) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      return undefined;
    return (value as Record<string, unknown>)[part];
  }, payload);
}
