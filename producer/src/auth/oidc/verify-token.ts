import { errors, jwtVerify } from "jose";
import type { VerifyToken } from "../authenticator.ts";
import { type ClaimNames, readClaims } from "./claims.ts";
import { IssuerUnavailable, type KeySet } from "./key-set.ts";

export interface VerifyTokenDeps {
  keys: Pick<KeySet, "verify">;
  issuer: string;
  audiences: readonly string[];
  claims: ClaimNames;
  /** Milliseconds since 1970. */
  now(): number;
}

/** Asymmetric algorithms only: with a shared secret, any verifier could also sign tokens. */
const algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" ");
/** Values of `typ` that access tokens have. Issuers sign other kinds, such as logout tokens, with the same keys. */
const types = new Set([undefined, "jwt", "at+jwt", "application/at+jwt"]);
const toleranceSeconds = 5;

export function createVerifyToken(deps: VerifyTokenDeps): VerifyToken {
  return async (token) => {
    try {
      const options = {
        issuer: deps.issuer,
        audience: [...deps.audiences],
        algorithms,
        requiredClaims: ["exp"],
        clockTolerance: toleranceSeconds,
        currentDate: new Date(deps.now()),
      };
      const { payload, protectedHeader } = await deps.keys.verify(token, (getKey) =>
        jwtVerify(token, getKey, options),
      );
      const principal = types.has(protectedHeader.typ?.toLowerCase())
        ? readClaims(payload, deps.claims)
        : "The token is no access token.";
      if (typeof principal === "string") return { status: "rejected", detail: principal };
      const validUntil = ((payload.exp ?? 0) + toleranceSeconds) * 1000;
      return { status: "authenticated", principal, validUntil };
    } catch (error) {
      if (error instanceof IssuerUnavailable) return { status: "unavailable" };
      // The signature is valid, so the token is not a guess and does not count as a failed login.
      const isGenuine = error instanceof errors.JWTClaimValidationFailed || isExpired(error);
      return { status: isGenuine ? "rejected" : "invalid", detail: describe(error) };
    }
  };
}

function isExpired(error: unknown): error is errors.JWTExpired {
  return error instanceof errors.JWTExpired;
}

function describe(error: unknown): string {
  if (isExpired(error)) return "The token has expired.";
  if (error instanceof errors.JWTClaimValidationFailed) {
    const fault = error.reason === "missing" ? "missing" : "not valid here";
    return `The token's claim ${error.claim} is ${fault}.`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return "The token's algorithm is not allowed.";
  if (error instanceof errors.JWKSNoMatchingKey) return "The token's issuer has no such key.";
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return "The token's signature is wrong.";
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return "The credential is neither an API key nor a token.";
  }
  return "The token cannot be verified.";
}
