import { expect, test } from "bun:test";
import { TorilError } from "@toril/client";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";

import { _noteProblem } from "../../contract/test/_problems.ts";
import { echo, getJobId, postJob } from "./_api.ts";
import { startStack } from "./_stack.ts";

async function _getKind(answer: Promise<unknown>): Promise<string | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    if (!(error instanceof TorilError)) throw error;
    const { type } = error.problem;
    _noteProblem(type);
    return type.split(":").at(-1);
  }
}

test("expired jobs and imports are deleted and answered 410, unknown ones 404", async () => {
  await using stack = await startStack({
    env: {
      RETAIN_COMPLETED: "1s",
      RETAIN_IMPORTS: "1s",
      RETAIN_DEAD: "off",
      RETAIN_INTERVAL_MS: "200",
    },
  });
  const { client, until, sql, consumers, producers } = stack;
  const { url } = producers[0]!;
  const options = { idempotencyKey: "order-1" };
  const id = getJobId(await postJob(url, echo("hello"), options));
  const { id: deadId } = await client.createJob({ ...echo("no", { failures: 1 }), attempts: 1 });
  const csv = "zip,city\n00501,Holtsville\n00544,Holtsville\n";
  const { id: importId } = await client.createImport(csv, { type: "row.import" });

  await until("the job is gone", () => _getKind(client.getJob(id)));
  expect(await _getKind(client.getJob(id))).toBe("job-gone");
  await until("the import is gone", () => _getKind(client.getImport(importId)));
  expect(await _getKind(client.getImport(importId))).toBe("import-gone");
  expect(await sql`select from imported_rows`).toHaveLength(0);
  expect(await _getKind(client.getJob(createJobId()))).toBe("job-not-found");
  expect(await _getKind(client.getImport(createJobId()))).toBe("import-not-found");
  expect(await client.getJob(deadId)).toMatchObject({ id: deadId, status: "dead" });
  // Its Idempotency-Key outlives it.
  const again = await postJob(url, echo("hello"), options);
  expect([getJobId(again), again.isReplayed]).toEqual([id, true]);

  await until("the imported jobs are gone", async () =>
    (await sql`select from jobs`).length === 1 ? true : undefined,
  );
  const metrics = await (await fetch(`${consumers[0]!.url}/metrics`)).text();
  expect(metrics).toContain('toril_retention_deleted_total{what="completed"} 3');
  expect(metrics).toContain('toril_retention_deleted_total{what="imports"} 1');
  expect(metrics).toMatch(/toril_retention_oldest_seconds\{what="dead"\} \d/);
});
