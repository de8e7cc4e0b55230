import { expect, test } from "bun:test";
import { z } from "zod";
import { createClient, type EnqueuedJob } from "../src/index.ts";
import { _accepted, _startServer } from "./_server.ts";

// Structural: any schema with Standard Schema types, and any object with `type`, `data` and `result`.
const sendEmail = {
  type: "email.send",
  data: z.strictObject({ to: z.email(), at: z.coerce.date().optional() }),
  result: z.strictObject({ messageId: z.string() }),
} as const;

test("data and result have the types of the job type", async () => {
  await using server = await _startServer(({ path }) =>
    path === "/v1/jobs"
      ? _accepted
      : { status: 200, body: { id: "1", status: "completed", result: { messageId: "m" } } },
  );
  const client = createClient<[typeof sendEmail]>({ baseUrl: server.url });
  const job: EnqueuedJob<{ messageId: string }> = await client.enqueue(sendEmail, {
    to: "a@b.org",
  });
  const { messageId }: { messageId: string } = await job.result();
  expect(messageId).toBe("m");
  const byName = await client.enqueue("email.send", { to: "a@b.org" }, { priority: 1 });
  expect((await byName.result()).messageId).toBe("m");
  const elsewhere = await client.waitForResult<typeof sendEmail>("1");
  expect(elsewhere.messageId).toBe("m");
  expect(JSON.parse(server.received[0]!.body)).toEqual({
    type: "email.send",
    data: { to: "a@b.org" },
  });

  const _doesNotCompile = () => [
    // @ts-expect-error -- a field is missing
    client.enqueue(sendEmail, {}),
    // @ts-expect-error -- not a string
    client.enqueue("email.send", { to: 1 }),
    // @ts-expect-error -- not a job type of this client
    client.enqueue("email.read", { to: "a@b.org" }),
    // @ts-expect-error -- not an option
    client.enqueue(sendEmail, { to: "a@b.org" }, { prority: 1 }),
    // @ts-expect-error -- the result has no such field
    job.result().then((result) => result.id),
  ];
  expect(_doesNotCompile).toBeFunction();
});
