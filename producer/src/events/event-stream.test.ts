import { expect, test } from "bun:test";
import type { RequestContext } from "../http/request-context.ts";
import { createEventStreams } from "./event-stream.ts";
import { ProblemError } from "../http/problem.ts";
import { toFrame, toHeartbeat } from "./frame.ts";
import { createConnectionLimit, createUnreadBudget } from "./connection-limit.ts";

/** Safe cast: the tests use only these members. */
const context = {
  setIdleTimeout() {},
  principal: { id: "open", kind: "open", tenant: "default" },
} as unknown as RequestContext;

function open({ isAuthorized = true, max = 1, heartbeatMs = 5, maxBytes = 64_000_000 } = {}) {
  const limit = createConnectionLimit(max);
  const unread = createUnreadBudget(maxBytes);
  const openStream = createEventStreams({
    limit,
    unread,
    heartbeatMs,
    isAuthorized: async () => isAuthorized,
    log: { warn() {} },
  });
  const begin = () =>
    openStream(context, { heartbeat: () => toHeartbeat("default:1-0"), onEnd() {} });
  return { limit, unread, begin, ...begin() };
}

test("a heartbeat carries the cursor of the client", async () => {
  const { response, sink, limit } = open();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const heartbeat = ":\nid: default:1-0\n\n";
  let text = "";
  // One read may return several heartbeats.
  while (text.length < 2 * heartbeat.length) text += (await reader.read()).value ?? "";
  expect(text.replaceAll(heartbeat, "")).toBe("");
  sink.end();
  expect(limit.count).toBe(0);
});

test("a stream ends when its key is no longer valid", async () => {
  const { response, limit } = open({ isAuthorized: false });
  await response.text();
  expect(limit.count).toBe(0);
});

test("a slow client is disconnected and its memory is released", async () => {
  const { response, sink, limit, unread } = open({ heartbeatMs: 60_000 });
  const frame = toFrame("progress", "x".repeat(100_000), undefined);
  let sent = 0;
  while (sink.isOpen) {
    sink.send(frame);
    sent += 1;
  }
  expect(sent).toBeLessThan(10);
  expect(response.text()).rejects.toThrow();
  expect([limit.count, unread.bytes]).toEqual([0, 0]);
});

test("a client that disconnects releases its connection", async () => {
  const { response, limit, begin } = open({ heartbeatMs: 60_000 });
  expect(begin).toThrow(ProblemError);
  await response.body!.cancel();
  expect(limit.count).toBe(0);
  begin().sink.end();
});

const frame = toFrame("progress", "x".repeat(10_000), undefined);

test("live frames are held until their release and then sent in order", async () => {
  const { response, sink } = open({ heartbeatMs: 60_000 });
  sink.sendLive(toHeartbeat("live:1-0"));
  sink.send(toHeartbeat("before:1-0"));
  await sink.release();
  sink.sendLive(toHeartbeat("live:2-0"));
  sink.end();
  const ids = [...(await response.text()).matchAll(/id: (.+)/g)].map(([, id]) => id);
  expect(ids).toEqual(["before:1-0", "live:1-0", "live:2-0"]);
});

test("the frames held back for a client are bounded", () => {
  const { sink, unread } = open({ heartbeatMs: 60_000 });
  let held = 0;
  while (sink.isOpen) {
    sink.sendLive(frame);
    held += 1;
  }
  expect(held).toBeLessThan(100);
  expect(unread.bytes).toBe(0);
});

test("the unread bytes of all streams together are bounded: the slowest client is disconnected first", async () => {
  const {
    begin,
    sink: slowest,
    unread,
  } = open({ max: 30, heartbeatMs: 60_000, maxBytes: 500_000 });
  const sinks = Array.from({ length: 29 }, () => begin().sink);
  slowest.send(frame);
  for (let round = 0; round < 10; round += 1) {
    for (const sink of [slowest, ...sinks]) {
      sink.send(frame);
      expect(unread.bytes).toBeLessThanOrEqual(500_000);
    }
    if (round === 1) {
      expect(slowest.isOpen).toBe(false);
      expect(sinks.filter(({ isOpen }) => isOpen).length).toBeGreaterThan(15);
    }
  }
  for (const sink of sinks) sink.end();
  expect(unread.bytes).toBe(0);
});
