import { expect, test } from "bun:test";

import { echo } from "./_api.ts";
import { startCluster } from "./_redis-fleet.ts";
import { startStack } from "./_stack.ts";

const hour = 3_600_000;

test("in a Cluster jobs and queues are changed as with one Redis", async () => {
  await using redis = await startCluster();
  await using stack = await startStack({ env: redis.env });
  const { client, until } = stack;
  const statusOf = async (id: string) => (await client.getJob(id)).status;
  const ends = (id: string, status: string) =>
    until(`it is ${status}`, async () => (await statusOf(id)) === status || undefined);
  const later = (more = {}) => client.createJob({ ...echo("later"), delayMs: hour, ...more });

  const running = await client.createJob(echo("sleeps", { sleepMs: 60_000 }));
  await until("it runs", async () => {
    return (await client.getJob(running.id)).state === "active" || undefined;
  });
  expect((await client.cancelJob(running.id)).status).toBe("cancelled");
  await until("its worker lets go of it", async () => {
    return (await client.getQueue("default")).counts.active === 0 || undefined;
  });

  const promoted = await later();
  await client.promoteJob(promoted.id);
  await ends(promoted.id, "completed");
  await client.retryJob(promoted.id);
  await ends(promoted.id, "completed");

  const failing = await client.createJob({ ...echo("fails", { failures: 9 }), attempts: 1 });
  await ends(failing.id, "dead");
  await client.redriveDeadLetter(failing.id);
  await until("it is dead again", async () => {
    return (await client.getJob(failing.id)).history.length === 1 || undefined;
  });

  await client.pauseQueue("default");
  const first = await client.createJob({ ...echo("first"), key: "k" });
  const keyPolicy = { type: "replace" as const };
  const second = await client.createJob({ ...echo("second"), key: "k", keyPolicy });
  expect(second.replaced).toBe(first.id);
  const changed = await client.changeJob(second.id, "*", { priority: 3 });
  expect(changed.state).toBe("prioritized");
  const delayed = await later();
  expect((await client.drainQueue("default")).cancelled).toBe(1);
  expect([await statusOf(second.id), await statusOf(delayed.id)]).toEqual(["cancelled", "pending"]);
  await client.resumeQueue("default");
  await client.changeJob(delayed.id, "*", { delayMs: 0 });
  await ends(delayed.id, "completed");
}, 60_000);
