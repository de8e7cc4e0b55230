import assert from "node:assert/strict";
import { test } from "node:test";
import { runHandler } from "toril/testing";
import type { Mail } from "../context.ts";
import { sendEmail } from "../jobs/send-email.ts";
import project from "../toril.config.ts";

const data = { to: "ada@example.org", subject: "Hello", text: "How are you?" };

test("the mail is sent, and its id is the result", async () => {
  const sent: Mail[] = [];
  const mailer = { send: async (mail: Mail) => `message ${sent.push(mail)}` };
  const run = await runHandler(project, sendEmail, data, { id: "job-1", context: { mailer } });
  assert.deepEqual(run.result, { messageId: "message 1" });
  assert.deepEqual(sent, [{ ...data, idempotencyKey: "job-1" }]);
});

test("an attempt that fails is retried", async () => {
  const mailer = { send: () => Promise.reject(new Error("the mail service is unavailable")) };
  const run = await runHandler(project, sendEmail, data, { attempt: 1, context: { mailer } });
  assert.equal(run.outcome, "retried");
});
