import { bullId, queueKeys } from "@toril/contract/engine/redis/names";
import type { Stack } from "../_stack.ts";
import { isPending, type Model, type ModelJob, queues, workerKinds } from "./jobs.ts";

/** Waits until ledger and Redis match the model, with every job in exactly one list. */
export async function agree(model: Model, stack: Stack): Promise<void> {
  let difference = "";
  try {
    await stack.until("the stores match the model", async () => {
      difference = await findDifference(model, stack);
      return difference === "" || undefined;
    });
  } catch (error) {
    throw new Error(difference, { cause: error });
  }
}

async function findDifference({ jobs }: Model, { sql, redisClient }: Stack): Promise<string> {
  const ids = jobs.map(({ id }) => id);
  const rows = await sql<{ id: string; text: string }[]>`
    select id, concat_ws(' ', status, generation, coalesce(jsonb_array_length(history), 0),
        case when status in ('completed', 'dead') then attempts end,
        (select count(*) from test_endings where job_id = jobs.id), parent_id,
        case when waiting_children and status = 'pending' then 'waits for children' end) as text
    from jobs where id = any(${ids}::uuid[]) or status = 'pending'`;
  const expected = new Map(jobs.map((job) => [job.id, toRow(job)]));
  for (const { id, text } of rows) {
    if (expected.get(id) !== text) return `${id} is ${text}, not ${expected.get(id)}`;
    expected.delete(id);
  }
  if (expected.size > 0) return `${[...expected.keys()].join()} not in the ledger`;

  const places: string[] = [];
  for (const queue of workerKinds.map((kind) => queues[kind])) {
    const { wait, active, delayed, prioritized, paused } = queueKeys("bull", queue);
    for (const [name, key] of Object.entries({ wait, active, paused })) {
      for (const id of await redisClient.lrange(key, 0, "-1")) places.push(`${id} ${name}`);
    }
    for (const [name, key] of Object.entries({ delayed, prioritized })) {
      for (const id of await redisClient.zrange(key, 0, "-1")) places.push(`${id} ${name}`);
    }
  }
  const wanted = jobs.flatMap(toPlaces).toSorted().join("\n");
  const found = places.toSorted().join("\n");
  return found === wanted ? "" : `in Redis:\n${found}\nnot\n${wanted}`;
}

function toRow(job: ModelJob): string {
  const { rest, generation, endings, made, parent } = job;
  return [
    isPending(job) ? "pending" : rest,
    generation,
    generation,
    ...(rest === "completed" || rest === "dead" ? [made] : []),
    endings,
    ...(parent === undefined ? [] : [parent.id]),
    ...(rest === "waits-for-children" ? ["waits for children"] : []),
  ].join(" ");
}

function toPlaces(job: ModelJob): string[] {
  const id = bullId(job.id, job.generation);
  if (job.rest === "delayed") return [`${id} delayed`];
  if (job.rest === "runs") return [`${id} active`];
  if (job.rest !== "waits") return [];
  return [`${id} ${job.priority === undefined || job.isStalled ? "wait" : "prioritized"}`];
}
