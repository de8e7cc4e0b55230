import { expect, test } from "bun:test";

import { echo, getJobId, postJob, postMany } from "./_api.ts";
import { stablePort } from "../dev/processes/restartable.ts";
import { findViolations } from "./_console.ts";
import { openBrowser } from "./_browser.ts";
import { promtool, run, startMonitoring } from "./_prometheus.ts";
import { startStack } from "./_stack.ts";

test("Prometheus scrapes a running stack, and alerts reach the receiver of their severity", async () => {
  const port = await stablePort();
  const env = {
    PROMETHEUS_URL: `http://127.0.0.1:${port}`,
    PROMETHEUS_MATCHERS: 'job=~"producer|consumer"',
  };
  await using stack = await startStack({ env });
  const { until } = stack;
  const [producer, consumer] = [stack.producers[0]!, stack.consumers[0]];
  await using monitoring = await startMonitoring(
    {
      producer: [new URL(producer.url).host],
      consumer: [new URL(consumer!.url).host],
    },
    port,
  );
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

  const { client } = stack;
  const sum = (values: (number | null)[]) =>
    values.reduce<number>((all, one) => all + (one ?? 0), 0);
  // Prometheus estimates increases from samples: the 302 jobs are about as many.
  await until(
    "the history has the backlog and the jobs",
    async () => {
      const { slots, slotMs } = await client.getOverviewHistory("6h");
      expect(slots.length).toBe(180);
      const jobsOf = (name: "in" | "out") => (sum(slots.map((slot) => slot[name])) * slotMs) / 1000;
      const isComplete = [
        jobsOf("in"),
        jobsOf("out"),
        sum(slots.map(({ completed }) => completed)),
      ].every((jobs) => jobs > 200 && jobs < 400);
      const hasDurations = slots.some(
        ({ startMs, runMs, settleMs, commitMs }) => startMs && runMs && settleMs && commitMs,
      );
      const peak = (name: "waiting" | "oldestWaitingMs") =>
        Math.max(...slots.map((slot) => slot[name] ?? 0));
      const hasDead = sum(slots.map((slot) => slot.dead)) > 0;
      const hasBacklog = peak("waiting") === 300 && peak("oldestWaitingMs") > 1000;
      return (isComplete && hasDurations && hasDead && hasBacklog) || undefined;
    },
    60_000,
  );
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(`${producer.url}/console`);
  await page.getByRole("button", { name: "6 hours" }).click();
  await page.waitForURL(/range=6h/);
  await page.getByText("Failures per 2 min").waitFor();
  await page
    .getByRole("slider", { name: "Failures", exact: false })
    .and(page.locator("[aria-valuetext*='dead 1']"))
    .waitFor();
  expect(await findViolations(page)).toEqual([]);

  for (const { url } of [producer, consumer!]) {
    const text = await (await fetch(`${url}/metrics`)).text();
    // prom-client's own names are older than the conventions.
    const own = text.split("\n").filter((line) => /^(# \w+ )?(toril|bullmq|http)_/.test(line));
    expect(run(promtool(), ["check", "metrics"], `${own.join("\n")}\n`)).toBe("");
  }
});
