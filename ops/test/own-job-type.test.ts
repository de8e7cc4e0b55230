import { expect, test } from "bun:test";
import { connect } from "node:net";
import { createClient } from "@toril/client";
import { createRegistry, defineJob } from "@toril/contract";
import { createLogging } from "@toril/contract/engine/logging/logging";
import { z } from "zod";
import { _openWorld, _startConsumer } from "../../consumer/test/_world.ts";
import { defineHandlers, type Handler } from "../../consumer/src/worker/handler.ts";
import { Config } from "../../producer/src/config.ts";
import { openProducer } from "../../producer/src/producer.ts";
import { bun } from "../../producer/src/runtime/serve-bun.ts";

const greet = defineJob({
  type: "test.greet",
  queue: "greetings",
  data: z.strictObject({ name: z.string() }).meta({ example: { name: "Ada" } }),
  result: z.strictObject({ text: z.string() }),
});

const jobTypes = createRegistry([greet]);

test("a producer and a consumer with a job type of their own process its jobs, and know no other type", async () => {
  await using closing = new AsyncDisposableStack();
  const world = closing.use(await _openWorld());
  const handler: Handler<typeof greet> = async ({ name }) => ({ text: `Hello, ${name}` });
  const createHandlers = () => defineHandlers(jobTypes, { "test.greet": handler });
  closing.use(await _startConsumer(world, { plugin: { jobTypes, createHandlers } }));
  const env = {
    DATABASE_URL: world.databaseUrl,
    REDIS_URL: world.redisUrl,
    BULL_PREFIX: world.prefix,
  };
  const logSettings = { level: "error", shipTo: undefined, shipBufferBytes: 0 };
  const { log } = createLogging("producer", logSettings, { connect });
  const config = Config.parse({ ...env, PORT: "0" });
  const producer = await openProducer(jobTypes, config, { log }, bun);
  closing.defer(() => producer.close());

  const client = createClient<[typeof greet]>({ baseUrl: producer.url.href });
  const { type, data } = { type: "test.greet", data: { name: "Ada" } } as const;
  const job = await client.createJob({ type, data }, { wait: 30 });
  expect(job).toMatchObject({ queue: "greetings", status: "completed" });
  const enqueued = await client.enqueue(greet, { name: "Ada" });
  expect((await enqueued.result()).text).toBe("Hello, Ada");

  const other = createClient({ baseUrl: producer.url.href });
  const refused = other.createJob({ type: "echo", data: { message: "hello" } });
  await expect(refused).rejects.toMatchObject({ problem: { status: 404 } });
  await expect(other.listJobs({ type: "echo" })).rejects.toMatchObject({
    problem: { status: 400, errors: [{ pointer: "/type" }] },
  });

  const answer = await fetch(new URL("/openapi.json", producer.url));
  const document = (await answer.json()) as { components: { schemas: object } };
  const schemas = Object.keys(document.components.schemas);
  expect(schemas).toContain("JobRequest.test.greet");
  expect(schemas.filter((name) => /echo/i.test(name))).toEqual([]);
});

test("a missing handler is a compile error, and an exception at run time", () => {
  // @ts-expect-error -- test.greet has no handler.
  const create = () => defineHandlers(jobTypes, {});
  expect(create).toThrow("no handler for the job types: test.greet");
});
