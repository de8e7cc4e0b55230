import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type LocalJWKSet,
} from "jose";

/** The key is unknown, and the issuer is unavailable. */
export class IssuerUnavailable extends Error {}

export interface KeySetSettings {
  load(): Promise<JSONWebKeySet>;
  /** After this age the keys are reloaded in the background; known keys stay in use meanwhile. */
  maxAgeMs: number;
  /**
   * Minimum delay before an unknown key triggers a reload after a success (`cooldownMs`), and before any reload after a
   * failure (`retryMs`).
   */
  cooldownMs: number;
  retryMs: number;
  /** Monotonic clock, in milliseconds. */
  now(): number;
  /** Called when the keys have changed: tokens verified with the old keys must be verified again. */
  onChange(): void;
  onFailure(error: unknown): void;
}

type VerifyWith<Result> = (getKey: JWTVerifyGetKey) => Promise<Result>;

export interface KeySet {
  /**
   * Calls `verify` with each key that matches the token's header until the signature fits.
   * @throws IssuerUnavailable and the errors of jose
   */
  verify<Result>(token: string, verify: VerifyWith<Result>): Promise<Result>;
  /** Loads the keys before the first token arrives. */
  warmUp(): void;
}

/** Caches an issuer's keys: known keys need no request and stay valid while the issuer is unavailable. */
export function createKeySet(settings: KeySetSettings): KeySet {
  let known: { find: LocalJWKSet; text: string } | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let hasFailed = false;
  let loading: Promise<void> | undefined;

  /** Concurrent callers share one request. */
  function load(): Promise<void> {
    loading ??= loadOnce().finally(() => {
      triedAt = settings.now();
      loading = undefined;
    });
    return loading;
  }

  async function loadOnce() {
    try {
      const keys = await settings.load();
      const text = JSON.stringify(keys);
      hasFailed = false;
      if (text === known?.text) return;
      const isFirst = known === undefined;
      known = { find: createLocalJWKSet(keys), text };
      if (!isFirst) settings.onChange();
    } catch (error) {
      hasFailed = true;
      settings.onFailure(error);
    }
  }

  function isDue(afterMs: number) {
    return settings.now() - triedAt >= (hasFailed ? settings.retryMs : afterMs);
  }

  return {
    async verify(token, verify) {
      if (isDue(settings.maxAgeMs)) void load();
      if (known === undefined) await loading;
      if (known === undefined) throw new IssuerUnavailable();
      const { find } = known;
      try {
        return await tryEach(find, verify);
      } catch (error) {
        if (!mayHaveNewKey(error, token)) throw error;
        if (loading !== undefined || isDue(settings.cooldownMs)) await load();
        if (hasFailed) throw new IssuerUnavailable();
        if (known.find === find) throw error;
        return tryEach(known.find, verify);
      }
    },
    warmUp() {
      void load();
    },
  };
}

/**
 * Several keys match a token without `kid`, or a `kid` that the issuer lists twice: only the signature tells which key
 * is right.
 */
async function tryEach<Result>(find: LocalJWKSet, verify: VerifyWith<Result>): Promise<Result> {
  try {
    return await verify(find);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let mismatch: Error = new errors.JWKSNoMatchingKey();
    for await (const key of error) {
      try {
        return await verify(() => key);
      } catch (failure) {
        if (!isMismatch(failure)) throw failure;
        mismatch = failure;
      }
    }
    throw mismatch;
  }
}

/** For a token without `kid`, only a failed signature hints at a new key of the issuer. */
function mayHaveNewKey(error: unknown, token: string): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true;
  return isMismatch(error) && decodeProtectedHeader(token).kid === undefined;
}

function isMismatch(error: unknown): error is errors.JWSSignatureVerificationFailed {
  return error instanceof errors.JWSSignatureVerificationFailed;
}
