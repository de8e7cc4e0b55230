/** Error replies of a Redis that serves no client: loading, without master, full or busy. */
const unavailableReplies =
  /\b(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|OOM|MISCONF|BUSY|UNKILLABLE|NOAUTH|WRONGPASS)\b/;

/** Messages of ioredis about connections that are closed, broken or too slow. Its errors have no codes. */
const connectionErrors =
  /^(Connection is closed|Command timed out|Command aborted|Stream isn't writeable|Socket timeout|connect ETIMEDOUT|Reached the max retries per request|Cluster is(n't ready| disconnect)|Node is disconnected|None of startup nodes|Failed to refresh slots cache|Too many Cluster redirections|No master node|All sentinels are unreachable)/;

/** Whether Redis answered with an error. */
export function isRefusedByRedis(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** Whether an error reply means that Redis serves no client, not that it rejected this one command. */
export function isUnavailableReply(error: Error): boolean {
  return unavailableReplies.test(String(error));
}

/** Whether ioredis reported that Redis is unavailable. Errors of sockets have codes, and are not recognised. */
export function isRedisUnavailable(error: unknown): boolean {
  if (isRefusedByRedis(error)) return isUnavailableReply(error);
  return error instanceof Error && connectionErrors.test(error.message);
}
