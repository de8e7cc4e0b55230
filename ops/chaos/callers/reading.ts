import { createClient } from "@toril/client";

import type { Caller } from "../load.ts";
import { echo } from "./enqueueing.ts";

/** Follows a job to its end, through whatever breaks the stream. */
export function follower(baseUrl: string): Caller {
  const client = createClient({ baseUrl });
  return {
    kind: "stream of a job",
    count: 2,
    pauseMs: 200,
    async act({ getAcceptedId, history, sendUntilDefinite, nextNumber, send, signal }) {
      const number = nextNumber();
      const json = { ...echo(`followed-${number}`), delayMs: 200 };
      const request = { json, idempotencyKey: `followed-${number}` };
      const id = getAcceptedId("stream of a job", await sendUntilDefinite("/v1/jobs", request));
      if (id === undefined) return;
      history.ids.push(id);
      const following = new AbortController();
      const ending = AbortSignal.any([following.signal, signal]);
      const checking = endIfLate(following, async () => {
        const answer = await send(`/v1/jobs/${id}`);
        const { settledAt } = (answer?.body ?? {}) as { settledAt?: string | null };
        return typeof settledAt === "string" && Date.now() - Date.parse(settledAt) > streamMs;
      });
      try {
        while (!ending.aborted) {
          try {
            for await (const _ of client.followJob(id, { signal: ending })) {
              // Until it has ended.
            }
            history.count("streams of jobs, followed to the end");
            return;
          } catch {
            await Bun.sleep(200);
          }
        }
        if (following.signal.aborted && !signal.aborted) {
          history.addViolation("stuck: a stream did not tell that its job ended", { id });
        }
      } finally {
        clearInterval(checking);
      }
    },
  };
}

/** How long after the end of a job its stream may report it: longer than any fault and the recovery from it. */
const streamMs = 60_000;

function endIfLate(following: AbortController, isLate: () => Promise<boolean>) {
  return setInterval(() => {
    void isLate().then((late) => late && following.abort());
  }, streamMs / 4);
}

/** Reads all events of a queue, as a dashboard does. */
export function watcher(baseUrl: string): Caller {
  const client = createClient({ baseUrl });
  return {
    kind: "stream of a queue",
    count: 1,
    pauseMs: 1000,
    async act({ history, signal }) {
      try {
        for await (const _ of client.followQueue("default", { signal })) {
          history.count("events of a queue");
        }
      } catch {
        // The first request of a stream may meet a fault.
      }
    },
  };
}

export const reader: Caller = {
  kind: "reads",
  count: 1,
  pauseMs: 500,
  async act({ history, random, send }) {
    const paths = ["/v1/jobs?limit=50", "/v1/dead-letters?limit=50", "/v1/queues", "/v1/schedules"];
    const answer = await send(random.pick(paths));
    if (answer !== undefined && answer.status < 500) history.count("reads");
    if (answer?.status === 500) history.addViolation("an internal error", answer.body);
  },
};
