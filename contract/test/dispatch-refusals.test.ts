import { afterAll, afterEach, expect, test } from "bun:test";
import { queueKeys } from "../src/engine/redis/names.ts";
import { createDispatch } from "../src/engine/redis/scripts/dispatch.ts";
import type { ScriptRedis } from "../src/engine/redis/scripts/script.ts";
import { _connect, _createSite, _dispatchEntry, _rejection, _script, _uuid } from "./_dispatch.ts";

const redis = _connect();
const site = _createSite(redis);
const keys = queueKeys(site.prefix, "q");

afterEach(() => site.clear());
afterAll(() => redis.quit());

function runScript(args: readonly string[]) {
  const { wait, active, delayed, prioritized, marker, meta, id, pc, events } = keys;
  const names = [wait, active, delayed, prioritized, marker, meta, id, pc, events];
  return redis.eval(_script, names.length, [...names, ...args]);
}

const common = ["echo", '{"attempts":3}', "1700000000000"];
const one = [_uuid(1), "{}"];
const two = [_uuid(2), "{}"];
const well = [keys.base, ...common, "2", "2", ...one, ...two];
const first = [keys.base, ...common, "2", "1", ...one];

function withRun(changes: Record<number, string>) {
  const run = [...common, "2", "1", ...two];
  return [...first, ...run.map((value, at) => changes[at] ?? value)];
}

function withOptions(options: string) {
  return withRun({ 1: options });
}

const malformed: Record<string, readonly string[]> = {
  "no arguments": [],
  "no runs": [keys.base],
  "no jobs": [keys.base, ...common, "2", "0"],
  "a missing argument": well.slice(0, -1),
  "an argument too many": [...well, ""],
  "a width that is no number": withRun({ 3: "x" }),
  "a width below that of a job": withRun({ 3: "1" }),
  "a width beyond that of a job": withRun({ 3: "4" }),
  "a length that is no number": withRun({ 4: "x" }),
  "a length that is no whole number": withRun({ 4: "0.5" }),
  "a negative length": withRun({ 4: "-1" }),
  "a run longer than the arguments": withRun({ 4: "9" }),
  "options that are no JSON": withOptions("{"),
  "options that are no object": withOptions("[3]"),
  "options with something behind them": withOptions('{"attempts":3} '),
  "options without attempts": withOptions("{}"),
  "a negative delay": withOptions('{"attempts":3,"delay":-1}'),
  "a delay of half a millisecond": withOptions('{"attempts":3,"delay":0.5}'),
  "a delay without an end": withOptions('{"attempts":3,"delay":1e999}'),
  "a delay that is text": withOptions('{"attempts":3,"delay":"5"}'),
  "a null delay": withOptions('{"attempts":3,"delay":null}'),
  "a priority beyond BullMQ's": withOptions('{"attempts":3,"priority":2097152}'),
  "a negative priority": withOptions('{"attempts":3,"priority":-1}'),
  "an empty id": withRun({ 5: "" }),
  "the name of another key as id": withRun({ 5: "meta" }),
  "a time that is no number": withRun({ 2: "now" }),
  "a time with a fraction": withRun({ 2: "1.5" }),
  "a negative time": withRun({ 2: "-1" }),
  "a time beyond all dates": withRun({ 2: "9".repeat(400) }),
  "an empty time": withRun({ 2: "" }),
  "a traceparent of another length": [...first, ...common, "3", "1", ...two, "00-00"],
};

test.each(Object.keys(malformed))(
  "%s: the script answers an error and writes nothing",
  async (what) => {
    expect(await _rejection(runScript(malformed[what]!))).toContain("ERR dispatch: malformed");
    expect(await site.snapshot()).toEqual({});
  },
);

test("the arguments that the malformed ones were made from are accepted", async () => {
  expect(await runScript(well)).toBe(2);
  expect(await runScript(withRun({ 5: _uuid(3) }))).toBe(1);
});

test.each([
  ["opts.maxLenEvents", "many"],
  ["opts.maxLenEvents", "-1"],
  ["concurrency", "few"],
])("%s = %s in a queue's settings: nothing is written", async (field, value) => {
  await redis.hset(keys.meta, field, value);
  const before = await site.snapshot();
  expect(await _rejection(site.dispatch("q", [_dispatchEntry()]))).toContain("in meta");
  expect(await site.snapshot()).toEqual(before);
});

test.each(["", "1", "wait", "repeat:1:2", `${_uuid(1)}"`, `${_uuid(1)}:lock`])(
  "an id that is %p is refused with its whole call",
  async (bullId) => {
    expect(
      await _rejection(site.dispatch("q", [_dispatchEntry(), _dispatchEntry({ bullId })])),
    ).toStartWith("TypeError: ");
    expect(await site.snapshot()).toEqual({});
  },
);

test("a malformed traceparent is ignored, as W3C asks", async () => {
  const job = _dispatchEntry();
  await site.dispatch("q", [
    { ...job, options: { ...job.options, traceparent: '00-"}' } },
    _dispatchEntry(),
  ]);
  const stored = await redis.hget(`${keys.base}${job.bullId}`, "opts");
  expect(JSON.parse(stored!)).toEqual({ attempts: 3, jobId: job.bullId });
});

test("no jobs are no call", async () => {
  const calls: unknown[][] = [];
  expect(await createDispatch(_recording(calls), _settings)("q", [])).toBe(0);
  expect(calls).toEqual([]);
});

test("a call carries at most 256 jobs and 4 MB of data, in order", async () => {
  const calls: string[][] = [];
  const dispatch = createDispatch(_recording(calls), _settings);
  const jobs = Array.from({ length: 600 }, (_, n) => _dispatchEntry({ n }));
  const large = Array.from({ length: 5 }, (_, n) =>
    _dispatchEntry({
      n: 1000 + n,
      data: JSON.stringify("x".repeat(n === 0 ? 5_000_000 : 1_900_000)),
    }),
  );
  expect(await dispatch("q", [...jobs, ...large])).toBe(605);
  expect(calls.map(jobsIn)).toEqual([256, 256, 88, 1, 2, 2]);
  expect(await redis.lrange(keys.wait, 0, -1)).toEqual(
    [...jobs, ...large].map((job) => job.bullId).toReversed(),
  );
});

test("values shared by consecutive jobs are sent once", async () => {
  const calls: string[][] = [];
  const backoffs = [1000, 1000, 2000].map((delay) => ({ type: "fixed" as const, delay }));
  const jobs = backoffs.map((backoff) =>
    _dispatchEntry({ options: { attempts: 3, timestamp: 1, backoff } }),
  );
  await createDispatch(_recording(calls), _settings)("q", [
    ...jobs,
    _dispatchEntry(),
    _dispatchEntry(),
  ]);
  expect(runsIn(calls[0]!)).toEqual([2, 1, 2]);
});

test("dispatching works after SCRIPT FLUSH, many calls at once", async () => {
  await site.dispatch("q", [_dispatchEntry()]);
  await redis.script("FLUSH");
  const created = await Promise.all(
    Array.from({ length: 20 }, () => site.dispatch("q", [_dispatchEntry(), _dispatchEntry()])),
  );
  expect(created).toEqual(Array.from({ length: 20 }, () => 2));
});

test("another error than a missing script is the caller's", async () => {
  await redis.set(keys.meta, "not a hash");
  expect(await _rejection(site.dispatch("q", [_dispatchEntry()]))).toContain("WRONGTYPE");
});

const _settings = { prefix: site.prefix, script: _script };

/** Wraps the real Redis and records the arguments of each successful call. */
function _recording(calls: unknown[][]): ScriptRedis {
  return {
    async evalsha(sha1, keyCount, keysAndArguments) {
      const reply = await redis.evalsha(sha1, keyCount, keysAndArguments);
      calls.push(keysAndArguments);
      return reply;
    },
    async eval(script, keyCount, keysAndArguments) {
      const reply = await redis.eval(script, keyCount, keysAndArguments);
      calls.push(keysAndArguments);
      return reply;
    },
  };
}

/** Returns the number of jobs in each group of a call. */
function runsIn(keysAndArguments: string[]): number[] {
  const lengths: number[] = [];
  for (let at = 10; at < keysAndArguments.length;) {
    const [width, length] = [Number(keysAndArguments[at + 3]), Number(keysAndArguments[at + 4])];
    lengths.push(length);
    at += 5 + width * length;
  }
  return lengths;
}

function jobsIn(keysAndArguments: string[]): number {
  return runsIn(keysAndArguments).reduce((sum, length) => sum + length, 0);
}
