import { z } from "zod";
import { defineJob, type Handler } from "../../cli/project/index.ts";

export interface Context {
  greet(name: string): string;
}

export const greet = defineJob({
  type: "greet",
  queue: "greetings",
  data: z.strictObject({ name: z.string(), failures: z.int().default(0) }),
  result: z.strictObject({ text: z.string(), steps: z.array(z.string()) }),
});

export const handleGreet: Handler<typeof greet, Context> = async ({ name, failures }, context) => {
  if (context.attempt <= failures) throw new Error("failed as configured");
  return { text: context.greet(name), steps: [] };
};

export const countTo = defineJob({
  type: "count",
  queue: "reports",
  data: z.strictObject({ to: z.int() }),
  result: z.strictObject({ count: z.int(), isThread: z.boolean() }),
  sandbox: true,
});

/** Processed by a worker of BullMQ, as docs/migrating-from-bullmq.md describes. */
export const sendWelcome = defineJob({
  type: "send-welcome",
  queue: "mail",
  worker: "bullmq",
  data: z.strictObject({ userId: z.int() }),
  result: z.strictObject({ messageId: z.string() }),
});
