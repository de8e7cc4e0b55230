import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { splitCsv } from "@toril/client";

import { findViolations, startConsole } from "./_console.ts";
import {
  openPageMetrics,
  openPolledOverview,
  refreshOverview,
  startReportingJob,
} from "./_page-metrics.ts";
import type { Stack } from "./_stack.ts";

const workbook = new URL("../../producer/test/_workbook.xlsx", import.meta.url);

let ui: Awaited<ReturnType<typeof startConsole>>;
let stack: Stack;
let open: (typeof ui)["open"];

beforeAll(async () => {
  ui = await startConsole();
  ({ stack, open } = ui);
});
afterAll(() => ui?.[Symbol.asyncDispose]());

test("a CSV file with a bad row is dropped, mapped, tried and imported", async () => {
  await using opened = await open("/imports");
  const { page, complaints } = opened;
  for (const [name, buffer, format] of [
    ["jobs.csv.zst", Bun.zstdCompressSync("message\nfirst\n"), "compressed with zstd"],
    ["jobs.xlsx", readFileSync(workbook), "an Excel workbook"],
    ["jobs.json", Buffer.from('[{ "message": "first" }]'), "a JSON array"],
  ] as const) {
    await page.getByLabel("File").setInputFiles({ name, mimeType: "text/csv", buffer });
    await page.getByRole("status").getByText(`The file is ${format}`).waitFor();
    await page.getByRole("button", { name: "Dismiss" }).click();
  }
  expect(await page.getByRole("button", { name: "Dry run" }).count()).toBe(0);
  const twice = { name: "twice.csv", mimeType: "text/csv", buffer: Buffer.from("a,b,a\n1,2,3\n") };
  await page.getByLabel("File").setInputFiles(twice);
  await page.getByText("Columns 1 and 3 have the same name, a.").waitFor();
  expect(await page.getByRole("button", { name: "Dry run" }).isDisabled()).toBe(true);
  await page.getByLabel("Header").selectOption("absent");
  await page.getByLabel("Field of column3").waitFor();
  expect(await page.getByRole("button", { name: "Dry run" }).isDisabled()).toBe(false);
  // Text: the types of the browser are not those of this file.
  const dropped = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    const text = "Text;Sleep MS;Other\\nfirst;1;a\\nsecond;not a number;b\\nthird;2;c\\n";
    transfer.items.add(new File([text], "jobs.csv", { type: "text/csv" }));
    return transfer;
  })()`);
  await page.locator(".drop-zone").dispatchEvent("drop", { dataTransfer: dropped });
  const rows = page.getByRole("region", { name: "First rows" });
  await rows.getByRole("cell", { name: "not a number" }).waitFor();
  expect(await page.getByLabel("Delimiter").inputValue()).toBe("semicolon");
  await page.getByLabel("Job type").selectOption("echo");
  await page.getByText("Required: message.").waitFor();
  const wide = Array.from({ length: 5000 }, (_, index) => `column ${index}`).join(",");
  const file = { name: "wide.csv", mimeType: "text/csv", buffer: Buffer.from(`${wide}\n`) };
  await page.getByLabel("File").setInputFiles(file);
  await page.getByText("The first 50 of 5,000 columns").waitFor();
  expect(await page.getByRole("region", { name: "Mapping" }).getByRole("row").count()).toBe(101);
  await page.getByRole("button", { name: "More columns" }).click();
  await page.getByLabel("Field of column 150").waitFor();
  await page.locator(".drop-zone").dispatchEvent("drop", { dataTransfer: dropped });
  await page.getByLabel("Job type").selectOption("echo");
  await page.getByText("Required: message.").waitFor();
  expect(await findViolations(page)).toEqual([]);
  expect(await page.getByLabel("Field of Sleep MS").inputValue()).toBe("sleepMs");
  await page.getByLabel("Field of Text").selectOption("message");
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByText("Dry run of 3 rows: 2 would become jobs").waitFor();
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.getByText("2 of 2 settled").waitFor();
  const rejected = page.getByRole("row", { name: /sleepMs/ });
  expect(await rejected.getByRole("cell").first().textContent()).toBe("3");
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  expect(readFileSync(await (await downloading).path(), "utf8")).toContain("second;not a number;b");
  expect(complaints).toEqual([]);
});

test("an interrupted import continues with the same file, and can be cancelled", async () => {
  const line = `${"x".repeat(5000)}\n`;
  const file = Buffer.from(`message\n${line.repeat(1000)}`);
  const parts = await Array.fromAsync(splitCsv([file]));
  expect(parts.length).toBe(2);
  const [interrupted, other] = await Promise.all([
    stack.client.defineImport({ type: "echo", dryRun: true }),
    stack.client.defineImport({ type: "echo" }),
  ]);
  await stack.client.putImportPart(interrupted.id, parts[0]!);
  await using opened = await open(`/imports/${interrupted.id}`);
  const { page, complaints } = opened;
  const sent: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "PUT") sent.push(request.url().replace(/^.*\//, ""));
  });
  await page
    .getByLabel("File")
    .setInputFiles({ name: "long.csv", mimeType: "text/csv", buffer: file });
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator(".status", { hasText: "done" }).waitFor();
  expect(new Set(sent)).toEqual(new Set(["2"]));
  expect((await stack.client.getImport(interrupted.id)).counts.accepted).toBe(1000);
  await page.goto(`${ui.url}/imports/${other.id}`);
  await page.getByRole("button", { name: "Cancel import" }).click();
  await page.getByRole("button", { name: "Cancel import and jobs" }).click();
  await page.locator(".status", { hasText: "cancelled" }).waitFor();
  expect(complaints).toEqual([]);
});

test("a job type is registered, and changed on purpose although a job breaks", async () => {
  await using opened = await open("/job-types");
  const { page } = opened;
  const type = "console.typed";
  const fill = (schema: object) =>
    page.getByLabel("Schema of the data").fill(JSON.stringify(schema));
  await page.getByRole("button", { name: "Register a job type" }).click();
  await page.getByRole("textbox", { name: /^Name/ }).fill(type);
  await fill({ type: "objekt" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").getByText("/data").first().waitFor();
  expect(await findViolations(page)).toEqual([]);
  await fill({ type: "object" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: type, exact: true }).waitFor();
  const { id } = await stack.client.createJob({ type, data: {} });
  await page.getByRole("button", { name: `Edit ${type}` }).click();
  await fill({ type: "object", required: ["to"] });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Change it although jobs break" }).click();
  await page.getByRole("cell", { name: "API, version 2" }).waitFor();
  await stack.client.cancelJob(id);
  expect((await stack.client.getJobType(type)).data).toMatchObject({ required: ["to"] });
  await page.getByRole("button", { name: `Delete ${type}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("link", { name: type, exact: true }).waitFor({ state: "detached" });
});

test("a schedule is created with a preview that marks clock changes, run, paused and deleted", async () => {
  await using opened = await open("/schedules", { viewport: { width: 1280, height: 900 } });
  const { page, complaints } = opened;
  await page.getByRole("button", { name: "Create a schedule" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("half-yearly");
  await dialog.getByLabel("Time zone").fill("Europe/Berlin");
  await dialog.getByLabel("Cron expression").fill("30 2 1 1,7 *");
  await dialog.getByLabel("Cron expression").press("Tab");
  const runs = dialog.getByRole("list", { name: "Next runs" }).getByRole("listitem");
  await runs.filter({ hasText: "-07-01T02:30:00+02:00" }).first().waitFor();
  // Winter and summer alternate: each run but the first has another offset than the one before.
  expect(await runs.filter({ hasText: "clock change" }).count()).toBe((await runs.count()) - 1);
  await dialog.getByLabel("Job type").selectOption("echo");
  // The press leaves the field, which loads the next runs; the button stays below the pointer.
  const loading = Promise.withResolvers<void>();
  await page.route("**/v1/schedules/preview?*", async (route) => {
    await loading.promise;
    await route.continue();
  });
  await dialog.getByLabel("Time zone").fill("Europe/Rome");
  await dialog.getByRole("button", { name: "Save" }).hover();
  const asked = page.waitForRequest("**/v1/schedules/preview?*");
  await page.mouse.down();
  await asked;
  await page.mouse.up();
  loading.resolve();
  await page.getByRole("button", { name: "Run now: half-yearly" }).click();
  await page.getByText(/The job .* is enqueued/).waitFor();
  await page.getByRole("button", { name: "Pause half-yearly" }).click();
  await page.getByRole("button", { name: "Resume half-yearly" }).waitFor();
  expect((await stack.client.getSchedule("half-yearly")).paused).toBe(true);
  await page.getByRole("button", { name: "Delete half-yearly" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("row", { name: /half-yearly/ }).waitFor({ state: "detached" });
  expect(complaints).toEqual([]);
});

test("a webhook is created, tested, replayed and edited, and its secret is shown once", async () => {
  const received: string[] = [];
  using endpoint = Bun.serve({
    port: 0,
    fetch(request) {
      received.push(request.headers.get("webhook-id") ?? "");
      return new Response("ok");
    },
  });
  await using opened = await open("/webhooks");
  const { page, complaints } = opened;
  await page.getByRole("button", { name: "Create a webhook" }).click();
  await page.getByRole("textbox", { name: /^Name/ }).fill("orders");
  await page.getByLabel("URL").fill(`http://127.0.0.1:${endpoint.port}/`);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("region", { name: "Secret" }).getByText("whsec_").waitFor();
  expect(await findViolations(page)).toEqual([]);
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "orders" }).click();
  await page.getByRole("button", { name: "Send a test event" }).click();
  await page.getByRole("table").locator(".status", { hasText: "delivered" }).waitFor();
  await page.getByRole("button", { name: "Replay a time range" }).click();
  await page.getByRole("dialog").getByRole("combobox").selectOption("delivered");
  await page.getByRole("dialog").getByRole("button", { name: "Replay" }).click();
  await page.getByText("1 event sent again.").waitFor();
  await stack.until("the event came again", async () => received.length > 1 || undefined);
  expect(new Set(received).size).toBe(1);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("job.completed").uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Enable" }).waitFor();
  const stored = await stack.client.getWebhook("orders");
  expect(stored).toMatchObject({ events: ["job.dead"], enabled: false });
  expect(complaints).toEqual([]);
});

test("the page of a job shows its children, and that of feeds what was fetched", async () => {
  const child = { job: { type: "echo", data: { message: "child" } } };
  const graph = await stack.client.createGraph({
    job: { type: "echo", data: { message: "parent" } },
    children: [child, child],
  });
  using server = Bun.serve({ port: 0, fetch: () => new Response("gone", { status: 404 }) });
  const feed = `http://127.0.0.1:${server.port}/feed.xml`;
  const fetched = await stack.client.createJob({
    type: "feed.fetch",
    data: { url: feed },
    attempts: 1,
  });
  await using opened = await open(`/jobs/${graph.id}`);
  const { page, complaints } = opened;
  await page.getByText("2 completed").waitFor();
  const children = page.getByRole("region", { name: "Children" }).getByRole("link");
  await children.first().click();
  await page.getByRole("link", { name: graph.id }).waitFor();
  await stack.until("the feed was fetched", async () => {
    const { status } = await stack.client.getJob(fetched.id);
    return status !== "pending" || undefined;
  });
  await page.getByRole("link", { name: "Feeds" }).click();
  await page.locator(".status", { hasText: "failing" }).waitFor();
  await page.getByRole("button", { name: `Fetch now: ${feed}` }).click();
  await page.getByRole("heading", { name: "Job", exact: true }).waitFor();
  expect(complaints).toEqual([]);
});

test("pages do not grow with the events that they show", async () => {
  const job = await startReportingJob(stack);
  await using opened = await open(`/jobs/${job.id}`, {});
  const { page, complaints } = opened;
  const metrics = await openPageMetrics(page);

  async function show(times: number) {
    await page.goto(`${ui.url}/jobs/${job.id}`);
    await job.report(page, times);
    const afterEvents = await metrics.readUse();
    await openPolledOverview(page, ui.url);
    await refreshOverview(page, times);
    return { afterEvents, afterRefreshes: await metrics.readUse() };
  }

  // 20 events more keep more than 1 MB if each leaves its job behind.
  const [few, many] = [await show(5), await show(25)];
  for (const moment of ["afterEvents", "afterRefreshes"] as const) {
    expect(many[moment].heapBytes - few[moment].heapBytes).toBeLessThan(600_000);
    expect(many[moment].nodes - few[moment].nodes).toBeLessThan(500);
  }
  expect(complaints).toEqual([]);
});
