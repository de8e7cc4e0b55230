import { afterAll, beforeAll, expect, test } from "bun:test";

import { _startAggregator } from "../../contract/test/_aggregator.ts";
import { echo, getJobId, postJob } from "./_api.ts";
import { startStack, type App, type Stack } from "./_stack.ts";

type Line = Record<string, unknown> & { name: string; level: string; msg: string };

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

let aggregator: Awaited<ReturnType<typeof _startAggregator>>;
let stack: Stack;
let [producer, consumer]: App[] = [];

beforeAll(async () => {
  aggregator = await _startAggregator();
  stack = await startStack({
    env: {
      LOG_SHIP_ADDRESS: `127.0.0.1:${aggregator.port}`,
      LOG_SHIP_BUFFER_BYTES: "100000",
      DRAIN_MS: "1000",
    },
  });
  [producer, consumer] = [stack.producers[0]!, stack.consumers[0]!];
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await aggregator?.[Symbol.asyncDispose]();
});

const shipped = () => aggregator.lines().map((line): Line => JSON.parse(line));

function whenShipped(what: string, isIt: (line: Line) => boolean) {
  return stack.until(`the aggregator has ${what}`, async () => shipped().find(isIt));
}

async function switchLevel(app: App, level: string) {
  await app.kill("SIGUSR2");
  await stack.until(`${app.name} logs at ${level}`, async () => {
    const last = /.*"logLevel":"(\w+)"(?!.*"logLevel")/s.exec(app.log())?.[1];
    return last === level || undefined;
  });
}

test("log lines of both processes are shipped over TCP with the ids of request, trace, job and tenant", async () => {
  await switchLevel(producer!, "debug");
  const answer = await postJob(
    producer!.url,
    { ...echo("dies", { failures: 9 }), attempts: 1 },
    { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
  );
  const jobId = getJobId(answer);
  // The consumer may end the job before the line of the producer is shipped.
  const answered = await whenShipped(
    "the request",
    (line) => line.name === "producer" && line["jobId"] === jobId,
  );
  expect(answered).toMatchObject({
    name: "producer",
    level: "debug",
    traceId,
    tenant: "default",
    status: 201,
  });
  expect(answered["requestId"]).toBeString();
  const died = await whenShipped("the end", (line) => line.msg === "job is dead");
  expect(died).toMatchObject({
    name: "consumer",
    level: "warn",
    jobId,
    traceId,
    tenant: "default",
  });
  await switchLevel(producer!, "info");
  await whenShipped("the switch", (line) => line["logLevel"] === "info");
  for (const [app, name] of [
    [producer!, "producer"],
    [consumer!, "consumer"],
  ] as const) {
    const own = aggregator.lines().filter((line) => JSON.parse(line).name === name);
    // Lines written before the connection was established were buffered.
    expect(app.log().trim().split("\n").slice(0, own.length)).toEqual(own);
  }
});

test("SIGUSR2 toggles the log level of a running process", async () => {
  const path = "/v1/jobs?limit=7";
  const count = () => producer!.log().split(`"path":"/v1/jobs","status":200`).length - 1;
  await fetch(producer!.url + path);
  expect(count()).toBe(0);
  await switchLevel(producer!, "debug");
  await fetch(producer!.url + path);
  await stack.until("the request is logged", async () => count() === 1 || undefined);
  await switchLevel(producer!, "info");
  await fetch(producer!.url + path);
  await switchLevel(producer!, "debug");
  expect(count()).toBe(1);
  await switchLevel(consumer!, "debug");
  await switchLevel(consumer!, "info");
});

test("a slow or unavailable aggregator blocks no request, and dropped lines are counted", async () => {
  aggregator.stall();
  const metric = async (name: string) => {
    const text = await (await fetch(`${producer!.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  };
  const loud = async () => {
    // At debug, a line each.
    const requested = Array.from({ length: 200 }, () =>
      fetch(`${producer!.url}/${"x".repeat(8000)}`),
    );
    for (const response of await Promise.all(requested)) expect(response.status).toBe(404);
    return metric("toril_log_ship_dropped_total");
  };
  await stack.until("lines are dropped", async () => (await loud()) > 0 || undefined);
  expect(await metric("toril_log_ship_buffered_bytes")).toBeLessThanOrEqual(100_000);
  await aggregator.stop();
  const isConnected = () => metric("toril_log_ship_connected");
  await stack.until("the loss is seen", async () => (await isConnected()) === 0 || undefined);
  expect((await postJob(producer!.url, echo("meanwhile"))).status).toBe(201);
  await loud();
  aggregator.flow();
  await aggregator.start();
  const notice = await whenShipped("how many were dropped", (line) => "dropped" in line);
  expect(notice).toMatchObject({ name: "producer", level: "warn", msg: "log lines were dropped" });
  const id = getJobId(await postJob(producer!.url, echo("afterwards")));
  await whenShipped("the next request", (line) => line["jobId"] === id);
});

test("shutdown sends the last lines, and does not wait for an unavailable aggregator", async () => {
  await consumer!.kill("SIGTERM");
  expect(await consumer!.exited).toMatchObject({ code: 0 });
  await whenShipped("the last line", ({ name, msg }) => name === "consumer" && msg === "stopped");

  await aggregator.stop();
  await producer!.kill("SIGTERM");
  expect(await producer!.exited).toMatchObject({ code: 0 });
  expect(producer!.log().trim().split("\n").at(-1)).toMatch(/"left":\d+,.*were not shipped"/);
});
