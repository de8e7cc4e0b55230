import { expect, test } from "bun:test";
import type { Exchange } from "../exchange.ts";
import { createEventStreams } from "./event-stream.ts";
import { toFrame, toMark } from "./frame.ts";
import { createPlaces } from "./places.ts";

/** Sound because no more of it is used. */
const exchange = { keepOpen() {} } as unknown as Exchange;

function open({ isLetIn = true, max = 1, heartbeatMs = 5 } = {}) {
  const places = createPlaces(max);
  const openStream = createEventStreams({ places, heartbeatMs, isLetIn: async () => isLetIn });
  const begin = () => openStream(exchange, { heartbeat: () => toMark("default:1-0"), onEnd() {} });
  return { places, begin, ...begin() };
}

test("a heartbeat says how far the client has got", async () => {
  const { response, sink, places } = open();
  const reader = response.body!.getReader();
  for (let times = 0; times < 2; times += 1) {
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe(":\nid: default:1-0\n\n");
  }
  sink.end();
  expect(places.taken).toBe(0);
});

test("a stream ends when its key is no longer good", async () => {
  const { response, places } = open({ isLetIn: false });
  await response.text();
  expect(places.taken).toBe(0);
});

test("who reads too slowly is cut off, and holds nothing any more", async () => {
  const { response, sink, places } = open({ heartbeatMs: 60_000 });
  const frame = toFrame("progress", "x".repeat(100_000), undefined);
  let sent = 0;
  while (sink.isOpen) {
    sink.send(frame);
    sent += 1;
  }
  expect(sent).toBeLessThan(10);
  expect(response.text()).rejects.toThrow();
  expect(places.taken).toBe(0);
});

test("a client that goes away gives its place back", async () => {
  const { response, places, begin } = open({ heartbeatMs: 60_000 });
  expect(begin).toThrow("Too many clients listen already.");
  await response.body!.cancel();
  expect(places.taken).toBe(0);
  begin().sink.end();
});
