import { afterAll, afterEach, expect, test } from "bun:test";
import { queueKeys } from "../src/dispatch/names.ts";
import { createPlace, type ScriptRedis } from "../src/dispatch/place.ts";
import { _connect, _createSite, _placement, _rejection, _script, _uuid } from "./_dispatch.ts";

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

const kind = ["echo", '{"attempts":3}'];
const one = ["1", _uuid(1), "1700000000000", "", "{}"];
const two = ["1", _uuid(2), "1700000000000", "", "{}"];
const well = [keys.base, "1", ...kind, ...one, ...two];

function withKind(options: string) {
  return [keys.base, "1", "echo", options, ...one, ...two];
}

function withSecond(changes: Record<number, string>) {
  return [keys.base, "1", ...kind, ...one, ...two.map((value, at) => changes[at] ?? value)];
}

const malformed: Record<string, readonly string[]> = {
  "no arguments": [],
  "no jobs": [keys.base, "1", ...kind],
  "no kinds": [keys.base, "0", ...one],
  "a missing argument": well.slice(0, -1),
  "an argument too many": [...well, ""],
  "a count of kinds that is no number": [keys.base, "x", ...kind, ...one],
  "a count of kinds that is no whole number": [keys.base, "0.5", ...kind, ...one],
  "a negative count of kinds": [keys.base, "-1", ...kind, ...one],
  "more kinds than arguments": [keys.base, "9", ...kind, ...one],
  "options that are no JSON": withKind("{"),
  "options that are no object": withKind("[3]"),
  "options with something behind them": withKind('{"attempts":3} '),
  "options without attempts": withKind("{}"),
  "a negative delay": withKind('{"attempts":3,"delay":-1}'),
  "a delay of half a millisecond": withKind('{"attempts":3,"delay":0.5}'),
  "a delay without an end": withKind('{"attempts":3,"delay":1e999}'),
  "a delay that is text": withKind('{"attempts":3,"delay":"5"}'),
  "a null delay": withKind('{"attempts":3,"delay":null}'),
  "a priority beyond BullMQ's": withKind('{"attempts":3,"priority":2097152}'),
  "a negative priority": withKind('{"attempts":3,"priority":-1}'),
  "a kind that is not there": withSecond({ 0: "2" }),
  "kind 0": withSecond({ 0: "0" }),
  "an empty id": withSecond({ 1: "" }),
  "the name of another key as id": withSecond({ 1: "meta" }),
  "a time that is no number": withSecond({ 2: "now" }),
  "a time with a fraction": withSecond({ 2: "1.5" }),
  "a negative time": withSecond({ 2: "-1" }),
  "a time beyond all dates": withSecond({ 2: "9".repeat(400) }),
  "an empty time": withSecond({ 2: "" }),
  "a traceparent of another length": withSecond({ 3: "00-00" }),
};

test.each(Object.keys(malformed))(
  "%s: the script answers an error and writes nothing",
  async (what) => {
    expect(await _rejection(runScript(malformed[what]!))).toContain("ERR place: malformed");
    expect(await site.snapshot()).toEqual({});
  },
);

test("the arguments that the malformed ones were made from are accepted", async () => {
  expect(await runScript(well)).toBe(2);
});

test.each([
  ["opts.maxLenEvents", "many"],
  ["opts.maxLenEvents", "-1"],
  ["concurrency", "few"],
])("%s = %s in a queue's settings: nothing is written", async (field, value) => {
  await redis.hset(keys.meta, field, value);
  const before = await site.snapshot();
  expect(await _rejection(site.place("q", [_placement()]))).toContain("in meta");
  expect(await site.snapshot()).toEqual(before);
});

test.each(["", "1", "wait", "repeat:1:2", `${_uuid(1)}"`, `${_uuid(1)}:lock`])(
  "an id that is %p is refused with its whole call",
  async (bullId) => {
    expect(await _rejection(site.place("q", [_placement(), _placement({ bullId })]))).toStartWith(
      "TypeError: ",
    );
    expect(await site.snapshot()).toEqual({});
  },
);

test("a malformed traceparent is ignored, as W3C asks", async () => {
  const job = _placement();
  await site.place("q", [
    { ...job, options: { ...job.options, traceparent: '00-"}' } },
    _placement(),
  ]);
  const stored = await redis.hget(`${keys.base}${job.bullId}`, "opts");
  expect(JSON.parse(stored!)).toEqual({ attempts: 3, jobId: job.bullId });
});

test("no jobs are no call", async () => {
  const calls: unknown[][] = [];
  expect(await createPlace(_recording(calls), _settings)("q", [])).toBe(0);
  expect(calls).toEqual([]);
});

test("a call carries at most 256 jobs and 4 MB of data, in order", async () => {
  const calls: string[][] = [];
  const place = createPlace(_recording(calls), _settings);
  const jobs = Array.from({ length: 600 }, (_, n) => _placement({ n }));
  const large = Array.from({ length: 5 }, (_, n) =>
    _placement({ n: 1000 + n, data: JSON.stringify("x".repeat(n === 0 ? 5_000_000 : 1_900_000)) }),
  );
  expect(await place("q", [...jobs, ...large])).toBe(605);
  expect(calls.map(jobsIn)).toEqual([256, 256, 88, 1, 2, 2]);
  expect(await redis.lrange(keys.wait, 0, -1)).toEqual(
    [...jobs, ...large].map((job) => job.bullId).toReversed(),
  );
});

test("equal options travel once a call", async () => {
  const calls: string[][] = [];
  const backoffs = [1000, 1000, 2000].map((delay) => ({ type: "fixed" as const, delay }));
  const jobs = backoffs.map((backoff) =>
    _placement({ options: { attempts: 3, timestamp: 1, backoff } }),
  );
  await createPlace(_recording(calls), _settings)("q", [
    ...jobs,
    _placement(),
    _placement(jobs[0]),
  ]);
  expect(calls[0]![10]).toBe("3");
});

test("placing works after SCRIPT FLUSH, many calls at once", async () => {
  await site.place("q", [_placement()]);
  await redis.script("FLUSH");
  const created = await Promise.all(
    Array.from({ length: 20 }, () => site.place("q", [_placement(), _placement()])),
  );
  expect(created).toEqual(Array.from({ length: 20 }, () => 2));
});

test("another error than a missing script is the caller's", async () => {
  await redis.set(keys.meta, "not a hash");
  expect(await _rejection(site.place("q", [_placement()]))).toContain("WRONGTYPE");
});

const _settings = { prefix: site.prefix, script: _script };

/** The real Redis; notes the arguments of every call that it ran. */
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

function jobsIn(keysAndArguments: string[]) {
  return (keysAndArguments.length - 11 - 2 * Number(keysAndArguments[10])) / 5;
}
