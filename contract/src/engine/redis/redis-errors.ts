/** Whether Redis answered with an error. */
export function isRefusedByRedis(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** Error replies of a Redis that cannot serve anybody: loading, without master, full or busy. */
const unavailableReplies =
  /\b(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|BUSY|UNKILLABLE|NOAUTH|WRONGPASS)\b/;

/** Whether an error means that Redis is unavailable, not that Redis rejected this one command. */
export function isRedisUnavailable(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  return !isRefusedByRedis(error) || unavailableReplies.test(String(error));
}
