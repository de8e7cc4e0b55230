/** Redis answered, and refused. */
export function isRefusedByRedis(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** Replies by which a Redis says that it serves nobody now: it is loading, lost its master, is full, or is busy. */
const unavailableReplies =
  /\b(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|BUSY|UNKILLABLE|NOAUTH|WRONGPASS)\b/;

/** Whether an error of the client tells that Redis cannot be used now, rather than that it refused this one command. */
export function isRedisUnavailable(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  return !isRefusedByRedis(error) || unavailableReplies.test(String(error));
}
