import type { TakeReply } from "@toril/contract/engine/redis/scripts/take";
import type { RedisQueueBackend } from "bullmq";
import { sleep } from "../wait.ts";

export interface JobAvailabilityDeps {
  backend: Pick<
    RedisQueueBackend,
    "waitForJob" | "reconnectBlocking" | "disconnectBlocking" | "minimumBlockTimeout"
  >;
  /** Marker of the queue: a sorted set that wakes a waiting worker. */
  restoreMarker(score: number, member: string): Promise<unknown>;
  /** Whether this worker takes no jobs now. */
  isPaused(): boolean;
  stop: AbortSignal;
  onError(error: Error): void;
  reportError(thrown: unknown): void;
}

/** What a worker knows about the jobs of its queue, from its last call and from the queue's marker. */
export interface JobAvailability {
  /** Whether a call may take jobs, as far as the rate limit is known. */
  readonly isAllowed: boolean;
  /** Records what a call for jobs found. `isShort`: fewer jobs than it asked for. */
  note(reply: TakeReply, isShort: boolean): void;
  /** Waits until a call may find jobs. Returns false if nothing has to be awaited. */
  wait(): Promise<void> | false;
  /** Ends a wait. */
  close(): Promise<void>;
}

/** An idle worker asks for jobs at least this often, in case a wake-up was lost. */
const idlePollSeconds = 5;
/** A longer blocking read would outlive the timeout of the connection. */
const maxBlockSeconds = 10;
/** A worker applies changed queue settings within this time, even if it is rate limited. */
const maxRateLimitWaitMs = 1000;
const errorPauseMs = 1000;

export function createJobAvailability(deps: JobAvailabilityDeps): JobAvailability {
  const { backend, stop, reportError } = deps;
  /** The last call found fewer jobs than it asked for. */
  let isDrained = false;
  /** Due time of the next delayed job, ms since 1970; 0 if unknown or none. */
  let nextDueAt = 0;
  let limitedUntil = 0;

  async function waitForRateLimit(ms: number) {
    await sleep(Math.min(ms, maxRateLimitWaitMs), stop);
    limitedUntil = 0;
  }

  async function waitForMarker() {
    try {
      const seconds = getBlockSeconds();
      const marker = seconds > 0 ? await backend.waitForJob(seconds) : null;
      if (marker !== null && (deps.isPaused() || stop.aborted)) {
        await deps.restoreMarker(marker.score, marker.member);
      }
      nextDueAt = marker?.score ?? 0;
      isDrained = nextDueAt > Date.now() + 1;
    } catch (error) {
      isDrained = false;
      if (stop.aborted) return;
      reportError(error);
      await backend.reconnectBlocking().catch(reportError);
      await sleep(errorPauseMs, stop);
    }
  }

  function getBlockSeconds() {
    if (nextDueAt === 0) return idlePollSeconds;
    const seconds = (nextDueAt - Date.now()) / 1000;
    return seconds <= 0
      ? 0
      : Math.min(Math.max(seconds, backend.minimumBlockTimeout), maxBlockSeconds);
  }

  return {
    get isAllowed() {
      return limitedUntil <= Date.now();
    },
    note(reply, isShort) {
      if (reply.malformed !== undefined) {
        deps.onError(new Error(`malformed ${reply.malformed}: no job is taken`));
        limitedUntil = Date.now() + errorPauseMs;
        return;
      }
      limitedUntil = reply.rateLimitMs > 0 ? Date.now() + reply.rateLimitMs : 0;
      isDrained = isShort && reply.rateLimitMs === 0;
      nextDueAt = isDrained ? reply.nextDueAt : 0;
    },
    wait() {
      const limitedMs = limitedUntil - Date.now();
      if (limitedMs > 0) return waitForRateLimit(limitedMs);
      return isDrained && waitForMarker();
    },
    async close() {
      await backend.disconnectBlocking(true).catch(reportError);
    },
  };
}
