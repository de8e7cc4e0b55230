import { expect, test } from "bun:test";
import { z } from "zod";
import { UserError } from "../../dev/user-error.ts";
import { checkExample } from "./check-example.ts";
import { defineConfig, defineJob, type Handler } from "./index.ts";
import { type ProjectConfig } from "./define-config.ts";
import { openProject } from "./open-project.ts";

const greet = defineJob({
  type: "greet",
  queue: "greetings",
  data: z.strictObject({ name: z.string() }),
  result: z.strictObject({ text: z.string() }),
});
const ping = defineJob({
  type: "ping",
  queue: "default",
  data: z.strictObject({}),
  result: z.null(),
  attempts: 7,
});
const pull = defineJob({ ...greet, type: "pull", queue: "remote", worker: "pull" });

interface Context {
  text: string;
}

const handleGreet: Handler<typeof greet, Context> = async (_, { text }) => ({ text });
const handlePing = async () => null;
const context = () => ({ text: "hello" });

test("a project with all handlers is opened", () => {
  const project = defineConfig({
    jobTypes: [greet, ping, pull],
    context,
    handlers: { greet: handleGreet, ping: handlePing },
  });
  expect(openProject(project as never).jobTypes.names).toEqual(["greet", "ping", "pull"]);
});

test("mistakes in handlers are compile errors", () => {
  // @ts-expect-error the handler of ping is missing
  defineConfig({ jobTypes: [greet, ping], context, handlers: { greet: handleGreet } });
  // @ts-expect-error the result has the wrong type
  defineConfig({ jobTypes: [ping], handlers: { ping: async () => 1 } });
  // @ts-expect-error the data has no such field
  defineConfig({ jobTypes: [greet], handlers: { greet: async ({ nme }) => ({ text: nme }) } });
  const wrongContext = () => ({ tex: "" });
  // @ts-expect-error the context lacks `text`
  defineConfig({ jobTypes: [greet], context: wrongContext, handlers: { greet: handleGreet } });
  // @ts-expect-error a handler without a job type
  defineConfig({ jobTypes: [ping], handlers: { ping: handlePing, pong: handlePing } });
});

test("the example of a job type must be a job", () => {
  const size = (data: z.ZodType, example: unknown) =>
    checkExample(defineJob({ ...ping, data: data.meta({ example }) }));
  size(z.object({ at: z.coerce.date(), name: z.string().trim() }), { at: 0, name: " a " });
  expect(() => size(z.string(), 1)).toThrow("the example of the job type ping does not match");
  expect(() => size(z.string().transform(Number), "1")).toThrow("makes 1 of its example");
  expect(() => size(z.string().transform(BigInt), "1")).toThrow("has no JSON form");
  expect(() =>
    size(
      z.string().refine(async () => true),
      "",
    ),
  ).toThrow("The schema failed");
});

const sandboxed = defineJob({ ...ping, type: "heavy", sandbox: true });

test.each<[string, Partial<Record<keyof ProjectConfig, unknown>>]>([
  ["no handler for the job types: ping", { handlers: { greet: handleGreet } }],
  ["no handler for the job types: greet, ping", { handlers: {} }],
  ["no handler for the job types: ping", { handlers: { greet: handleGreet, ping: "pong" } }],
  [
    "handlers without a job type: pong",
    { handlers: { greet: handleGreet, ping: handlePing, pong: handlePing } },
  ],
  [
    "no handler for the job types: heavy",
    { jobTypes: [sandboxed], handlers: { heavy: handlePing } },
  ],
  ["no job type has the queue mails", { queues: { mails: {} } }],
  ["values of defineJob", { jobTypes: [{ type: "greet" }] }],
  ["at least one job type", { jobTypes: [], handlers: {} }],
  ["the same name", { jobTypes: [ping, ping], handlers: { ping: handlePing } }],
])("a project is refused: %s", (message, changes) => {
  const config = {
    jobTypes: [greet, ping],
    handlers: { greet: handleGreet, ping: handlePing },
    ...changes,
  };
  const open = () => openProject(defineConfig(config as never) as never);
  expect(open).toThrow(UserError);
  expect(open).toThrow(message);
});

test("defaults apply where a job type defines nothing", () => {
  const { jobTypes } = openProject(
    defineConfig({
      jobTypes: [greet, ping],
      handlers: { greet: async () => ({ text: "" }), ping: handlePing },
      defaults: { attempts: 5, timeoutMs: 1000, expiresInMs: 60_000 },
    }) as never,
  );
  expect(jobTypes.find("greet")).toMatchObject({
    options: { attempts: 5, timeoutMs: 1000, backoff: { type: "exponential", delay: 1000 } },
    expiresInMs: 60_000,
  });
  expect(jobTypes.find("ping")?.options.attempts).toBe(7);
});
