import type { JSONWebKeySet } from "jose";
import { z } from "zod";

/** Where to load an issuer's keys from. */
export interface KeySource {
  issuer: string;
  /** If missing, the issuer's discovery document provides it. */
  jwksUrl?: string | undefined;
}

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });
const Keys = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) });

/**
 * Fetches the current public keys of an issuer.
 * @throws if the response is late or invalid
 */
export async function fetchKeys(source: KeySource, timeoutMs: number): Promise<JSONWebKeySet> {
  const signal = AbortSignal.timeout(timeoutMs);
  const address = source.jwksUrl ?? (await discover(source.issuer, signal));
  return Keys.parse(await fetchJson(address, signal));
}

async function discover(issuer: string, signal: AbortSignal): Promise<string> {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const found = Discovery.parse(await fetchJson(address, signal));
  if (found.issuer !== issuer) {
    throw new Error(`${address} has the issuer ${found.issuer}, but OIDC_ISSUER is ${issuer}`);
  }
  return found.jwks_uri;
}

async function fetchJson(address: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(address, {
    signal,
    // A redirect would lead to a host that is not configured.
    redirect: "error",
    headers: { Accept: "application/json" },
  });
  if (!response.ok) throw new Error(`${address} responded with status ${response.status}`);
  return response.json();
}
