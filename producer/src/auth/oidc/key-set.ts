import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type LocalJWKSet,
} from "jose";

/** A key is not known here, and its issuer cannot be asked now. */
export class IssuerAway extends Error {}

export interface KeySetSettings {
  load(): Promise<JSONWebKeySet>;
  /** From this age on the keys are loaded again, while the ones that are known stay in use. */
  maxAgeMs: number;
  /** How soon after a success an unknown key may ask the issuer again, and after a failure anyone. */
  cooldownMs: number;
  retryMs: number;
  /** Monotonic. */
  now(): number;
  /** Other keys than before: what the old ones have signed is to be checked again. */
  onChange(): void;
  onFailure(error: unknown): void;
}

type VerifyWith<Result> = (getKey: JWTVerifyGetKey) => Promise<Result>;

export interface KeySet {
  /**
   * Runs `verify` with the keys that match the token's header, one after the other, until the signature fits.
   * Throws `IssuerAway`, and what jose throws.
   */
  verify<Result>(token: string, verify: VerifyWith<Result>): Promise<Result>;
  /** Loads the keys before anyone needs them. */
  warmUp(): void;
}

/** The keys of an issuer: known ones cost nothing and outlive its absence, new ones are asked for. */
export function createKeySet(settings: KeySetSettings): KeySet {
  let known: { find: LocalJWKSet; text: string } | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let hasFailed = false;
  let loading: Promise<void> | undefined;

  /** Shared by all who ask meanwhile. */
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
      if (known === undefined) throw new IssuerAway();
      const { find } = known;
      try {
        return await tryEach(find, verify);
      } catch (error) {
        if (!mayBeOfNewKey(error, token)) throw error;
        if (loading !== undefined || isDue(settings.cooldownMs)) await load();
        if (hasFailed) throw new IssuerAway();
        if (known.find === find) throw error;
        return tryEach(known.find, verify);
      }
    },
    warmUp() {
      void load();
    },
  };
}

/** Several keys match a token without `kid`, or one that an issuer lists twice: only the signature tells which it is. */
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

/** Without a `kid`, only a signature that fits no known key tells that the issuer may have a new one. */
function mayBeOfNewKey(error: unknown, token: string): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true;
  return isMismatch(error) && decodeProtectedHeader(token).kid === undefined;
}

function isMismatch(error: unknown): error is errors.JWSSignatureVerificationFailed {
  return error instanceof errors.JWSSignatureVerificationFailed;
}
