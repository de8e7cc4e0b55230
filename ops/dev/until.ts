import { setTimeout as sleep } from "node:timers/promises";

export interface PollOptions {
  timeoutMs: number;
  everyMs?: number;
  signal?: AbortSignal | undefined;
}

/** Asks again until `probe` neither throws nor answers undefined; when time is up, throws with its last complaint. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  { timeoutMs, everyMs = 50, signal }: PollOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let complaint: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const answer = await probe();
      if (answer !== undefined) return answer;
    } catch (error) {
      complaint = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs / 1000} s`, { cause: complaint });
    }
    await sleep(everyMs, undefined, { signal });
  }
}
