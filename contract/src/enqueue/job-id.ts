let lastMs = 0;
let count = 0;
let prefix = "";

/**
 * A UUID of version 7. Those of one process ascend: 12 of the random bits count what is made in one millisecond, and
 * beyond 4,096 the time runs ahead.
 */
export function createJobId(): string {
  const nowMs = Date.now();
  if (nowMs > lastMs) startAt(nowMs);
  else if (count === 0xfff) startAt(lastMs + 1);
  else count += 1;
  return prefix + count.toString(16).padStart(3, "0") + crypto.randomUUID().slice(18);
}

function startAt(ms: number) {
  const time = ms.toString(16).padStart(12, "0");
  lastMs = ms;
  count = 0;
  prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
}
