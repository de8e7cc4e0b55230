import { expect, test } from "bun:test";
import { createClient } from "@toril/client";
import { createRegistry, defineJob } from "@toril/contract";
import { z } from "zod";
import { loadConfig } from "../../consumer/src/config.ts";
import { defineHandlers } from "../../consumer/src/worker/handler.ts";
import { _startOwnService } from "./_own-service.ts";

const greet = defineJob({
  type: "test.greet",
  queue: "greetings",
  data: z.strictObject({ name: z.string() }).meta({ example: { name: "Ada" } }),
  result: z.strictObject({ text: z.string() }),
});

const jobTypes = createRegistry([greet]);

test("a producer and a consumer with a job type of their own process its jobs, and know no other type", async () => {
  await using service = await _startOwnService(jobTypes, {
    "test.greet": async ({ name }) => ({ text: `Hello, ${name}` }),
  });

  const client = createClient<[typeof greet]>({ baseUrl: service.url.href });
  const { type, data } = { type: "test.greet", data: { name: "Ada" } } as const;
  const job = await client.createJob({ type, data }, { wait: 30 });
  expect(job).toMatchObject({ queue: "greetings", status: "completed" });
  const enqueued = await client.enqueue(greet, { name: "Ada" });
  expect((await enqueued.result()).text).toBe("Hello, Ada");

  const other = createClient({ baseUrl: service.url.href });
  const refused = other.createJob({ type: "echo", data: { message: "hello" } });
  await expect(refused).rejects.toMatchObject({ problem: { status: 404 } });
  await expect(other.listJobs({ type: "echo" })).rejects.toMatchObject({
    problem: { status: 400, errors: [{ pointer: "/type" }] },
  });

  const answer = await fetch(new URL("/openapi.json", service.url));
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

test("a type that other workers process needs no handler, and its queue is not served by consumers", () => {
  const resize = defineJob({ ...greet, type: "test.resize", queue: "images", worker: "pull" });
  const registry = createRegistry([greet, resize]);
  const handlers = defineHandlers(registry, { "test.greet": async () => ({ text: "" }) });
  expect([...handlers.keys()]).toEqual(["test.greet"]);
  expect(registry.getQueues("pull")).toEqual(["images"]);

  const stores = { REDIS_URL: "redis://127.0.0.1", DATABASE_URL: "postgres://127.0.0.1/toril" };
  const load = (env: Record<string, string>) =>
    loadConfig(registry, { ...stores, ...env }, () => "");
  expect(load({}).worker.queues).toEqual(["greetings"]);
  expect(() => load({ BULL_QUEUE_NAME: "images" })).toThrow("must be a list of greetings");
});

test("the types of a queue have one kind of worker, and only handlers have a sandbox", () => {
  const pulled = defineJob({ ...greet, type: "test.other", worker: "pull" });
  expect(() => createRegistry([greet, pulled])).toThrow(
    "the queue greetings has job types with different kinds of workers: handler and pull",
  );
  expect(() => defineJob({ ...greet, worker: "pull", sandbox: true })).toThrow("sandbox");
  // @ts-expect-error -- A push endpoint is registered over HTTP.
  expect(() => defineJob({ ...greet, worker: "push" })).toThrow("PUT /v1/job-types/test.greet");
});
