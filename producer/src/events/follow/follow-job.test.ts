import { expect, test } from "bun:test";
import { _openIdleSource } from "../../../test/_events.ts";
import type { RequestContext } from "../../http/request-context.ts";
import { createEventStreams, type EventSink } from "../event-stream.ts";
import { createFollowJob } from "./follow-job.ts";
import { createEventHub, type EventHub } from "../hub/event-hub.ts";
import { createConnectionLimit, createUnreadBudget } from "../connection-limit.ts";

/** Safe cast: the tests use only these members. */
const context = {
  setIdleTimeout() {},
  principal: { id: "open", kind: "open", tenant: "default" },
  request: new Request("http://localhost"),
} as unknown as RequestContext;

test("a client that disconnects before its subscription is added leaves no subscription", async () => {
  const log = { warn() {} } as never;
  const hub: EventHub = createEventHub({
    queues: () => ["default"],
    open: _openIdleSource,
    readEdges: async () => ({ first: undefined, last: "0-0", isTrimmed: false }),
    readOutcomes: async () => [],
    readFailedAttempts: async () => [],
    log,
  });
  const subscriptions = new Set<unknown>();
  const sinks: EventSink[] = [];
  const openStreams = createEventStreams({
    limit: createConnectionLimit(1),
    unread: createUnreadBudget(1_000_000),
    isAuthorized: async () => true,
    log,
  });
  const follow = createFollowJob({
    log,
    hub: {
      ...hub,
      async subscribeWithPositions(subscription) {
        sinks[0]?.end();
        const positions = await hub.subscribeWithPositions(subscription);
        subscriptions.add(subscription);
        return positions;
      },
      unsubscribe(subscription) {
        subscriptions.delete(subscription);
        hub.unsubscribe(subscription);
      },
    },
    replay: async () => {},
    openStream(...args) {
      const opened = openStreams(...args);
      sinks.push(opened.sink);
      return opened;
    },
    readJob: async () => undefined,
  });
  await follow(context, { id: "a", queue: "default" }, undefined);
  expect(subscriptions.size).toBe(0);
  await hub.close();
});

test("the end of a job is reported although the job itself cannot be read", async () => {
  const log = { warn() {} } as never;
  const hub = createEventHub({
    queues: () => ["default"],
    open: _openIdleSource,
    readEdges: async () => ({ first: undefined, last: "0-0", isTrimmed: false }),
    readOutcomes: async () => [
      {
        id: "a",
        tenant: "default",
        type: "echo",
        queue: "default",
        importId: null,
        status: "completed",
        generation: 0,
        attempts: 1,
        error: null,
      },
    ],
    readFailedAttempts: async () => [],
    log,
    pollEveryMs: 1,
  });
  let reads = 0;
  const follow = createFollowJob({
    log,
    hub,
    replay: async () => {},
    openStream: createEventStreams({
      limit: createConnectionLimit(1),
      unread: createUnreadBudget(1_000_000),
      isAuthorized: async () => true,
      log,
    }),
    async readJob() {
      reads += 1;
      if (reads > 1) throw new Error("Postgres is unavailable");
      return { id: "a", status: "pending" } as never;
    },
  });
  const response = await follow(context, { id: "a", queue: "default" }, undefined);
  expect(await response.text()).toContain("event: completed");
  await hub.close();
});
