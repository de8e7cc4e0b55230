import { expect, test } from "bun:test";

import { echo, getJobId, postJob, postMany } from "./_api.ts";
import { promtool, run, startMonitoring } from "./_prometheus.ts";
import { startStack } from "./_stack.ts";

test("Prometheus scrapes a running stack, and alerts reach the receiver of their severity", async () => {
  await using stack = await startStack();
  const { until } = stack;
  const [producer, consumer] = [stack.producers[0]!, stack.consumers[0]];
  await using monitoring = await startMonitoring({
    producer: [new URL(producer.url).host],
    consumer: [new URL(consumer!.url).host],
  });
  const { query, notifications } = monitoring;
  const queryValue = async (expr: string) => (await query(expr))[0]?.value;
  const untilValueIs = (expr: string, value: number) =>
    until(`${expr} is ${value}`, async () => (await queryValue(expr)) === value || undefined);
  const whenNotified = (alertname: string, receiver: string) =>
    until(
      `${alertname} reaches ${receiver}`,
      async () =>
        notifications.find(
          (alert) => alert.receiver === receiver && alert.labels["alertname"] === alertname,
        ),
      60_000,
    );
  await untilValueIs("sum(up)", 2);
  await untilValueIs("sum(toril_reconciler_leading)", 1);
  await untilValueIs('bullmq_jobs_processed_total{type="echo", outcome="dead"}', 0);

  const dying = { ...echo("dies", { failures: 9 }), attempts: 1 };
  getJobId(await postJob(producer.url, dying));
  const dead = await whenNotified("TorilJobsDie", "ticket");
  expect(dead.labels).toMatchObject({ queue: "default", type: "echo", severity: "ticket" });

  await consumer!.kill("SIGKILL");
  await postMany(producer.url, 300);
  await untilValueIs('toril:backlog:jobs{queue="default"}', 300);
  const gone = await whenNotified("TorilNoConsumer", "page");
  expect(gone.annotations["runbook_url"]).toBe("ops/prometheus/runbook.md#torilnoconsumer");
  const age = 'toril_queue_oldest_seconds{queue="default"}';
  await until("the oldest job waits", async () => ((await queryValue(age)) ?? 0) > 1 || undefined);
  expect(notifications.filter(({ labels }) => labels["alertname"] === "TorilNoProducer")).toEqual(
    [],
  );

  await consumer!.restart();
  await untilValueIs('toril:backlog:jobs{queue="default"}', 0);
  await until("the alert ends", async () => {
    return (await query('ALERTS{alertname="TorilNoConsumer"}')).length === 0 || undefined;
  });

  for (const { url } of [producer, consumer!]) {
    const text = await (await fetch(`${url}/metrics`)).text();
    // prom-client's own names are older than the conventions.
    const own = text.split("\n").filter((line) => /^(# \w+ )?(toril|bullmq|http)_/.test(line));
    expect(run(promtool(), ["check", "metrics"], `${own.join("\n")}\n`)).toBe("");
  }
});
