import {
  createLocalJWKSet,
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

interface KeySet {
  /** Throws `IssuerAway`, and what jose throws. */
  find: JWTVerifyGetKey;
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
    async find(header, token) {
      if (isDue(settings.maxAgeMs)) void load();
      if (known === undefined) await loading;
      if (known === undefined) throw new IssuerAway();
      try {
        return await known.find(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        if (loading !== undefined || isDue(settings.cooldownMs)) await load();
        if (hasFailed) throw new IssuerAway();
        return known.find(header, token);
      }
    },
    warmUp() {
      void load();
    },
  };
}
