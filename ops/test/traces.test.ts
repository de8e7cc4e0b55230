import { afterAll, beforeAll, expect, test } from "bun:test";
import { Glob } from "bun";

import { echo, getJobId, postJob } from "./_api.ts";
import { type CollectedSpan, startCollector } from "./_collector.ts";
import { root, startStack, type Stack } from "./_stack.ts";

const spanId = "00f067aa0ba902b7";

let collector: ReturnType<typeof startCollector>;
let stack: Stack;

beforeAll(async () => {
  collector = startCollector();
  stack = await startStack({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=k%201",
      LOG_LEVEL: "debug",
    },
  });
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await collector?.[Symbol.asyncDispose]();
});

function newTraceId() {
  return crypto.randomUUID().replaceAll("-", "");
}

/** The spans of a trace, once `count` have come. */
function findSpans(traceId: string, count: number) {
  return stack.until(`${count} spans of ${traceId} come`, async () => {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    return spans.length >= count ? spans : undefined;
  });
}

function named(spans: readonly CollectedSpan[], name: string) {
  const found = spans.filter((span) => span.name === name);
  expect(found).toHaveLength(1);
  return found[0]!;
}

test("one trace spans caller, request, job, handler and settling", async () => {
  const traceId = newTraceId();
  const answer = await postJob(stack.producers[0]!.url, echo("traced"), {
    traceparent: `00-${traceId}-${spanId}-01`,
  });
  const spans = await findSpans(traceId, 4);
  const [request, run] = [named(spans, "POST /v1/jobs"), named(spans, "process echo")];
  expect(request).toMatchObject({ service: "toril-producer", parentSpanId: spanId });
  expect(request.attributes).toMatchObject({
    "http.response.status_code": 201,
    "toril.job.id": getJobId(answer),
  });
  expect(run).toMatchObject({ service: "toril-consumer", parentSpanId: request.spanId });
  expect(run.attributes).toMatchObject({
    "messaging.message.id": getJobId(answer),
    "messaging.destination.name": "default",
    "toril.job.outcome": "completed",
  });
  expect(named(spans, "handle").parentSpanId).toBe(run.spanId);
  expect(named(spans, "settle").parentSpanId).toBe(run.spanId);
  expect(spans).toHaveLength(4);
  expect(collector.headers[0]!.get("x-collector-key")).toBe("k 1");
  for (const app of [...stack.producers, ...stack.consumers]) {
    expect(app.log()).not.toContain("cannot send spans");
  }
  expect(stack.producers[0]!.log()).toContain(`"traceId":"${traceId}"`);
});

test("rows of an import and attempts of a job belong to the trace of their request", async () => {
  const traceId = newTraceId();
  const headers = { "Content-Type": "text/csv", traceparent: `00-${traceId}-${spanId}-01` };
  const url = `${stack.producers[0]!.url}/v1/imports?type=echo`;
  // The second one fails once, and runs again a second later.
  const body = "message,failures\na,0\nb,1\n";
  expect((await fetch(url, { method: "POST", headers, body })).status).toBe(201);
  const spans = await findSpans(traceId, 10);
  const request = named(spans, "POST /v1/imports");
  const runs = spans.filter(({ name }) => name === "process echo");
  expect(runs.map(({ parentSpanId }) => parentSpanId)).toEqual(Array(3).fill(request.spanId));
  const outcomes = runs.map(({ attributes }) => String(attributes["toril.job.outcome"]));
  expect(outcomes.toSorted()).toEqual(["completed", "completed", "retried"]);
});

test("a request without a traceparent starts a trace", async () => {
  const id = getJobId(await postJob(stack.producers[0]!.url, echo("begins")));
  const run = await stack.until("its run comes", async () =>
    collector.spans.find(({ attributes }) => attributes["messaging.message.id"] === id),
  );
  const request = named(await findSpans(run.traceId, 4), "POST /v1/jobs");
  expect(request.parentSpanId).toBeUndefined();
  expect(run.parentSpanId).toBe(request.spanId);
});

test("a trace that the caller does not sample is not recorded", async () => {
  const [silent, loud] = [newTraceId(), newTraceId()];
  const { url } = stack.producers[0]!;
  const first = await postJob(url, echo("no"), { traceparent: `00-${silent}-${spanId}-00` });
  await stack.client.getJob(getJobId(first));
  await postJob(url, echo("yes"), { traceparent: `00-${loud}-${spanId}-01` });
  await findSpans(loud, 4);
  expect(collector.spans.filter((span) => span.traceId === silent)).toEqual([]);
  const [row] = await stack.sql`select trace from jobs where id = ${getJobId(first)}`;
  expect(row!["trace"]).toStartWith(`00-${silent}-`);
});

test("shutdown sends the remaining spans, and does not wait for an unavailable collector", async () => {
  const traceId = newTraceId();
  const producer = await stack.startProducer();
  const [consumer] = stack.consumers;
  const traceparent = `00-${traceId}-${spanId}-01`;
  const id = getJobId(await postJob(producer.url, echo("last"), { traceparent }));
  await producer.kill("SIGTERM");
  expect(await producer.exited).toMatchObject({ code: 0 });
  named(
    collector.spans.filter((span) => span.traceId === traceId),
    "POST /v1/jobs",
  );
  const second = getJobId(await postJob(stack.producers[0]!.url, echo("last of all")));
  await stack.until("it is done", async () => {
    return (await stack.client.getJob(second)).status === "completed" || undefined;
  });
  await consumer!.kill("SIGTERM");
  expect(await consumer!.exited).toMatchObject({ code: 0 });
  const runs = collector.spans.filter(({ name }) => name === "process echo");
  const ids = runs.map(({ attributes }) => String(attributes["messaging.message.id"]));
  expect(ids).toEqual(expect.arrayContaining([id, second]));

  const lonely = await stack.startProducer({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
  await postJob(lonely.url, echo("alone"));
  await lonely.kill("SIGTERM");
  expect(await lonely.exited).toMatchObject({ code: 0 });
});

test("only the modules that main.ts loads for a configured collector import OpenTelemetry", async () => {
  const importers = new Set<string>();
  for (const name of ["contract", "producer", "consumer"]) {
    for await (const path of new Glob(`${name}/src/**/*.ts`).scan(root)) {
      const text = await Bun.file(`${root}/${path}`).text();
      for (const [, module] of text.matchAll(/^(?:import|\} from) .*"(.*)";$/gm)) {
        if (/^@opentelemetry\/|tracing-otlp|tracing\/open-tracer$/.test(module!))
          importers.add(path);
      }
    }
  }
  expect([...importers].toSorted()).toEqual([
    "consumer/src/observability/tracing-otlp.ts",
    "contract/src/engine/tracing/open-tracer.ts",
    "producer/src/observability/tracing-otlp.ts",
  ]);
});
