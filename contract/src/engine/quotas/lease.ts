/** A token bucket: `rate` tokens per second, at most `size` at once. */
export interface Flow {
  rate: number;
  size: number;
}

/** Arguments of lease.lua. */
export interface LeaseRequest extends Flow {
  /** Redis key of the bucket. */
  bucket: string;
  minimum: number;
  required: number;
  wanted: number;
}

export interface Leased {
  granted: number;
  left: number;
}

/** Leases tokens; undefined while Redis is unavailable. */
export type Lease = (request: LeaseRequest) => Promise<Leased | undefined>;

export interface LeaseDeps {
  /** `eval` of an ioredis client. */
  redis: { eval(script: string, keyCount: number, ...args: (string | number)[]): Promise<unknown> };
  /** The text of lease.lua. */
  script: string;
  /** Monotonic clock in ms. */
  now(): number;
  onChange(isUnavailable: boolean, error?: unknown): void;
}

export const leaseScriptUrl: URL = new URL("./lease.lua", import.meta.url);

/** How long a request may wait for a lease. */
const timeoutMs = 250;
/** How long no request is sent to Redis after a failure. */
const pauseMs = 1000;

/** Creates the function that leases tokens from Redis. */
export function createLease({ redis, script, now, onChange }: LeaseDeps): Lease {
  let isUnavailable = false;
  let retryAt = Number.NEGATIVE_INFINITY;

  function note(isNowUnavailable: boolean, error?: unknown) {
    if (isNowUnavailable === isUnavailable) return;
    isUnavailable = isNowUnavailable;
    onChange(isNowUnavailable, error);
  }

  return async ({ bucket, rate, size, minimum, required, wanted }) => {
    if (now() < retryAt) return undefined;
    try {
      const reply = await inTime(
        redis.eval(script, 1, bucket, rate, size, minimum, required, wanted),
      );
      const [granted, left] = reply as [number, string];
      note(false);
      return { granted, left: Number(left) };
    } catch (error) {
      retryAt = now() + pauseMs;
      note(true, error);
      return undefined;
    }
  };
}

async function inTime<Result>(work: Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`Redis did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
