import { defineJob, type Handler } from "toril";
import { z } from "zod";
import type { Context } from "../context.ts";

export const sendEmail = defineJob({
  type: "email.send",
  queue: "mail",
  data: z
    .strictObject({ to: z.email(), subject: z.string().min(1), text: z.string() })
    .meta({ example: { to: "ada@example.org", subject: "Hello", text: "How are you?" } }),
  result: z.strictObject({ messageId: z.string() }),
});

export const handleSendEmail: Handler<typeof sendEmail, Context> = async (data, context) => {
  const { id, log, mailer } = context;
  // A job runs at least once: the mail service recognizes a second attempt by the id of the job.
  const messageId = await mailer.send({ ...data, idempotencyKey: id });
  log.info({ messageId }, "email sent");
  return { messageId };
};
