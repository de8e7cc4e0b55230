import { expect, test } from "bun:test";

import { allCompleted, countsIfSettled } from "./_ledger.ts";
import { startStack } from "./_stack.ts";

const schedules = 10;
const everyMs = 2000;

test("killed consumers and a flushed Redis neither skip nor duplicate a run of a schedule", async () => {
  await using stack = await startStack({ consumers: 2 });
  const { client, sql, redisClient, until } = stack;
  const [first, second] = stack.consumers;
  const job = { type: "echo", data: { message: "tick" } } as const;
  for (let index = 0; index < schedules; index += 1) {
    await client.putSchedule(`tick-${index}`, { everyMs, overlap: "queue", job });
  }

  async function anotherRound(what: string) {
    const [before] = await sql<{ jobs: number }[]>`select count(*)::int as jobs from jobs`;
    await until(what, async () => {
      const [now] = await sql<{ jobs: number }[]>`select count(*)::int as jobs from jobs`;
      return now!.jobs >= before!.jobs + schedules || undefined;
    });
  }

  await anotherRound("two consumers create jobs");
  await first!.kill("SIGKILL");
  await anotherRound("the other consumer creates jobs alone");
  await redisClient.flushall();
  await anotherRound("jobs are created after FLUSHALL");
  await first!.restart();
  await second!.kill("SIGKILL");
  await anotherRound("the first consumer creates jobs again");
  await sql`delete from schedules`;

  const counts = await until("every job has ended", () => countsIfSettled(sql));
  const made = await sql<{ jobs: number; expected: number }[]>`
    select count(*)::int as jobs, ((max(fire_time) - min(fire_time)) / ${everyMs}::int + 1)::int as expected
    from (select schedule, ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint as fire_time from jobs) as job
    group by schedule`;
  expect(made).toHaveLength(schedules);
  for (const { jobs, expected } of made) expect(jobs).toBe(expected);
  expect(counts).toEqual(allCompleted(made.reduce((sum, { jobs }) => sum + jobs, 0)));
});
