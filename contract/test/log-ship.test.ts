import { connect } from "node:net";
import { expect, test } from "bun:test";
import { createLogShipper, type ShipSettings } from "../src/engine/logging/log-ship.ts";
import { _startAggregator } from "./_aggregator.ts";
import { _until } from "./_until.ts";

const numberOf = (line: string) => Number(/^line (\d+)/.exec(line)?.[1]);
const parseNotice = (line: string) => Number(/^(\d+) were dropped$/.exec(line)?.[1] ?? 0);

async function _open(port: number, changes: Partial<ShipSettings> = {}) {
  const shipper = createLogShipper({
    connect: () =>
      connect({ host: "127.0.0.1", port })
        .on("error", () => {})
        .resume(),
    maxBuffered: 1_000_000,
    droppedLine: (count) => `${count} were dropped\n`,
    firstPauseMs: 5,
    longestPauseMs: 20,
    ...changes,
  });
  let pushed = 0;
  return {
    shipper,
    /** Pushes numbered lines of 100 characters. */
    push(count: number) {
      for (let index = 0; index < count; index += 1) {
        shipper.push(`line ${pushed}`.padEnd(99, ".").concat("\n"));
        pushed += 1;
      }
    },
    [Symbol.asyncDispose]: async () => void (await shipper.close(0)),
  };
}

function _upTo(count: number, from = 0) {
  return Array.from({ length: count - from }, (_, index) => from + index);
}

test("lines arrive once and in order", async () => {
  await using aggregator = await _startAggregator();
  await using shipping = await _open(aggregator.port);
  shipping.push(10);
  await _until(() => aggregator.lines().length === 10);
  shipping.push(5000);
  await _until(() => aggregator.lines().length === 5010);
  expect(aggregator.lines().map(numberOf)).toEqual(_upTo(5010));
  expect([shipping.shipper.buffered, shipping.shipper.dropped]).toEqual([0, 0]);
});

test("lines that were written while the aggregator was down arrive later", async () => {
  await using aggregator = await _startAggregator();
  await aggregator.stop();
  await using shipping = await _open(aggregator.port);
  shipping.push(100);
  await aggregator.start();
  await _until(() => aggregator.lines().length === 100);
  await aggregator.stop();
  await _until(() => !shipping.shipper.isConnected);
  shipping.push(100);
  await aggregator.start();
  await _until(() => aggregator.lines().length === 200);
  expect(aggregator.lines().map(numberOf)).toEqual(_upTo(200));
});

test("an aggregator that dies under load loses lines in transit, and no line is split", async () => {
  await using aggregator = await _startAggregator();
  await using shipping = await _open(aggregator.port);
  for (let round = 0; round < 5; round += 1) {
    const before = aggregator.lines().length;
    shipping.push(5000);
    await _until(() => aggregator.lines().length > before);
    shipping.push(1000);
    await aggregator.stop();
    await _until(() => !shipping.shipper.isConnected);
    await aggregator.start();
    await _until(() => shipping.shipper.isConnected && shipping.shipper.buffered === 0);
  }
  shipping.push(1);
  await _until(() => aggregator.lines().map(numberOf).includes(30_000));
  const numbers = aggregator.lines().map(numberOf);
  expect(numbers).not.toContain(Number.NaN);
  expect(numbers.at(-1)).toBe(30_000);
});

test("without an aggregator, the oldest lines are dropped, counted and reported", async () => {
  await using aggregator = await _startAggregator();
  await aggregator.stop();
  await using shipping = await _open(aggregator.port, { maxBuffered: 100_000 });
  shipping.push(50_000);
  const { buffered, dropped } = shipping.shipper;
  expect(buffered).toBeLessThanOrEqual(100_000);
  expect(dropped * 100 + buffered).toBe(5_000_000);
  await aggregator.start();
  await _until(() => aggregator.lines().map(numberOf).includes(49_999));
  const [notice, ...rest] = aggregator.lines();
  expect(parseNotice(notice!)).toBe(dropped);
  expect(rest.map(numberOf)).toEqual(_upTo(50_000, dropped));
});

test("an aggregator that does not read causes dropped lines instead of memory growth, and they are reported in place", async () => {
  await using aggregator = await _startAggregator();
  await using shipping = await _open(aggregator.port, { maxBuffered: 200_000 });
  await _until(() => shipping.shipper.isConnected);
  aggregator.stall();
  while (shipping.shipper.dropped === 0) {
    shipping.push(1000);
    expect(shipping.shipper.buffered).toBeLessThanOrEqual(200_000);
    // The operating system buffers some megabytes.
    await new Promise((resolve) => setImmediate(resolve));
  }
  aggregator.flow();
  await _until(() => shipping.shipper.buffered === 0);
  shipping.push(1);
  await shipping.shipper.close(5000);
  await _until(() => aggregator.hasEnded);
  const lines = aggregator.lines();
  let next = 0;
  for (const line of lines) {
    if (parseNotice(line) > 0) next += parseNotice(line);
    else expect(numberOf(line)).toBe(next++);
  }
  expect(aggregator.connections).toBe(1);
  expect(lines.reduce((sum, line) => sum + parseNotice(line), 0)).toBe(shipping.shipper.dropped);
});

test("a stalled connection is replaced", async () => {
  await using aggregator = await _startAggregator();
  aggregator.stall();
  await using shipping = await _open(aggregator.port, { stallMs: 50, maxBuffered: 20_000_000 });
  await _until(() => shipping.shipper.isConnected);
  while (aggregator.connections < 2) {
    shipping.push(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  aggregator.flow();
  shipping.push(1);
  await _until(() => shipping.shipper.buffered === 0);
});

test("closing flushes the buffer and ends the connection; later lines are ignored", async () => {
  await using aggregator = await _startAggregator();
  await using shipping = await _open(aggregator.port);
  shipping.push(3000);
  expect(await shipping.shipper.close(10_000)).toBe(0);
  expect(await shipping.shipper.close(10_000)).toBe(0);
  await _until(() => aggregator.hasEnded);
  shipping.push(1);
  expect(aggregator.lines().map(numberOf)).toEqual(_upTo(3000));
  expect(shipping.shipper.buffered).toBe(0);
});

test("closing waits until its deadline and returns the number of unsent lines", async () => {
  await using aggregator = await _startAggregator();
  await aggregator.stop();
  await using shipping = await _open(aggregator.port);
  shipping.push(7);
  expect(await shipping.shipper.close(20)).toBe(7);
});
