import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { changeKey } from "@toril/contract/engine/api-keys/change-key";
import { issueKey } from "@toril/contract/engine/api-keys/key-ledger";
import type { Scope } from "@toril/contract/api/access/scope";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import { openBrowser } from "./_browser.ts";
import { startStack, type Stack } from "./_stack.ts";

const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const pages = [
  "",
  "/jobs",
  "/jobs/new",
  "/dead-letters",
  "/operations",
  "/queues",
  "/queues/default",
  "/schedules",
  "/imports",
  "/webhooks",
  "/job-types",
  "/keys",
  "/audit",
  "/runbook",
];

let stack: Stack;
let browser: Browser;
let url: string;

beforeAll(async () => {
  [stack, browser] = await Promise.all([startStack(), openBrowser()]);
  url = `${stack.producers[0]!.url}/console`;
});
afterAll(async () => {
  await browser?.close();
  await stack?.[Symbol.asyncDispose]();
});

/** On a busy machine the service may refuse a request or end a stream for a moment; the console repeats them. */
const transient = /^Failed to load resource: (net::ERR_|the server responded with a status of 503)/;

/** Opens a page of the console; `complaints` are errors, violations of the policy included. */
async function open(path: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !transient.test(text)) complaints.push(text);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url + path);
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

function hasStatus(page: Page, status: string) {
  return page.getByLabel("Details").locator(".status", { hasText: status }).waitFor();
}

async function enqueueDying() {
  const backoff = { type: "fixed", delay: 100 } as const;
  const data = { message: "fails", failures: 9 };
  return stack.client.createJob({ type: "echo", data, attempts: 2, backoff });
}

test("an empty service shows the first steps, and imports the sample file", async () => {
  await using opened = await open("");
  const { page, complaints } = opened;
  const curl = await page.getByRole("region", { name: "curl" }).textContent();
  const run = Bun.spawnSync(["sh", "-c", `${curl} -s -o /dev/null -w '%{http_code}'`]);
  expect(run.stdout.toString()).toBe("201");
  await page.getByRole("button", { name: "Import the sample" }).click();
  await page.getByText(/\b([1-9]\d*) of \1 settled/).waitFor();
  await page.getByText("No row was rejected.").waitFor();
  expect(complaints).toEqual([]);
});

test("a job is enqueued with the form of its type, and followed until it has completed", async () => {
  await using opened = await open("/jobs/new?type=echo");
  const { page, complaints } = opened;
  await page.getByLabel("message").fill("from the form");
  await page.getByLabel("sleepMs (optional)").fill("200");
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByText("The request is valid").waitFor();
  await page.getByRole("button", { name: "Enqueue" }).click();
  await hasStatus(page, "completed");
  expect(await page.getByRole("region", { name: "Result" }).last().textContent()).toContain(
    "from the form",
  );
  expect(complaints).toEqual([]);
});

test("a job that fails, retries and dies is shown live, and redriven from its group", async () => {
  const { id } = await enqueueDying();
  await using opened = await open(`/jobs/${id}`);
  const { page, complaints } = opened;
  await hasStatus(page, "dead");
  await page.getByText("Attempt 2", { exact: true }).waitFor();
  await page.getByText("Settled: dead").waitFor();
  await page.getByRole("link", { name: "Dead letters" }).click();
  await page.getByRole("button", { name: /^Redrive echo/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("1 job", { exact: true }).waitFor();
  await dialog.getByRole("button", { name: "Redrive" }).click();
  await dialog.getByText("1 changed").waitFor();
  await stack.until("the job died again", async () => {
    const { status, history } = await stack.client.getJob(id);
    return (status === "dead" && history.length === 1) || undefined;
  });
  expect(complaints).toEqual([]);
});

test("a CSV file with a bad row is imported by drag and drop", async () => {
  await using opened = await open("/imports");
  const { page, complaints } = opened;
  // Text: the types of the browser are not those of this file.
  const dropped = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    const text = "message;sleepMs\\nfirst;1\\nsecond;not a number\\nthird;2\\n";
    transfer.items.add(new File([text], "jobs.csv", { type: "text/csv" }));
    return transfer;
  })()`);
  await page.locator(".drop-zone").dispatchEvent("drop", { dataTransfer: dropped });
  await page.getByRole("cell", { name: "not a number" }).waitFor();
  expect(await page.getByLabel("Delimiter").inputValue()).toBe("semicolon");
  await page.getByLabel("Job type").selectOption("echo");
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.getByText("2 of 2 settled").waitFor();
  const rejected = page.getByRole("row", { name: /sleepMs/ });
  expect(await rejected.getByRole("cell").first().textContent()).toBe("3");
  expect(complaints).toEqual([]);
});

test("the overview lists a paused queue first, and resumes it", async () => {
  await stack.client.pauseQueue("feeds");
  await using opened = await open("");
  const { page, complaints } = opened;
  await page.getByText("The queue feeds is paused").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("The queue feeds is paused").waitFor({ state: "detached" });
  expect((await stack.client.getQueue("feeds")).paused).toBe(false);
  const charts = await page.getByRole("img", { name: /Jobs per second/ }).count();
  expect([charts, complaints]).toEqual([1, []]);
});

test("a search is part of the address", async () => {
  await stack.client.createJob({
    type: "echo",
    data: { message: "x" },
    key: "searched",
    labels: ["a"],
  });
  await using opened = await open("/jobs?type=echo");
  const { page } = opened;
  await page.getByLabel("Key").fill("searched");
  await page.getByLabel("Key").press("Enter");
  await page.waitForURL(/key=searched/);
  await page.reload();
  await page.getByRole("cell", { name: "searched" }).waitFor();
  expect(await page.getByRole("table").getByRole("link").count()).toBe(1);
});

test("a job page stays live when the producer is restarted", async () => {
  await stack.client.pauseQueue("default");
  const { id } = await stack.client.createJob({ type: "echo", data: { message: "later" } });
  await using opened = await open(`/jobs/${id}`);
  await hasStatus(opened.page, "waiting");
  await stack.producers[0]!.restart();
  await stack.client.resumeQueue("default");
  await hasStatus(opened.page, "completed");
});

test("every page is accessible, complies with its policy, and fits a phone, light and dark", async () => {
  const { id } = await stack.client.createJob({ type: "echo", data: { message: "shown" } });
  await using opened = await open("", { colorScheme: "light" });
  const { page, complaints } = opened;
  await page.evaluate(axe);
  const found: unknown[] = [];

  async function check(path: string, options: object) {
    const settings = { resultTypes: ["violations"], preload: false, ...options };
    const violations = await page.evaluate<{ id: string; impact: string; nodes: string[] }[]>(
      `axe.run(document, ${JSON.stringify(settings)}).then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html) })))`,
    );
    const serious = violations.filter(({ impact }) => /serious|critical/.test(impact));
    if (serious.length > 0) found.push({ path, serious });
  }

  for (const path of [...pages, `/jobs/${id}`]) {
    // Navigates within the console, as links do.
    await page.evaluate(
      `history.pushState(null, "", ${JSON.stringify(`/console${path}`)}); dispatchEvent(new PopStateEvent("popstate"))`,
    );
    await page.locator("main h1").waitFor();
    await page.getByLabel("Loading").first().waitFor({ state: "detached" });
    await check(path, {});
    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate<number>(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    if (overflow > 0) found.push({ path, overflow });
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  // The pages share their colours: one page, with a status, shows the contrast of the other theme.
  await page.emulateMedia({ colorScheme: "dark" });
  await check("dark", { runOnly: ["color-contrast"] });
  expect(found).toEqual([]);
  expect(complaints).toEqual([]);
});

test("an action in the console is in the audit log, which is searched by resource", async () => {
  await using opened = await open("/queues");
  const { page, complaints } = opened;
  await page.getByRole("button", { name: "Pause feeds" }).click();
  await page.getByRole("button", { name: "Resume feeds" }).click();
  await page.getByRole("button", { name: "Pause feeds" }).waitFor();
  await page.getByRole("link", { name: "Audit log" }).click();
  await page.getByLabel("Resource").fill("/v1/queues/feeds");
  await page.getByLabel("Resource").press("Enter");
  await page.waitForURL(/target=/);
  const row = page.getByRole("row", { name: /anyone/ }).first();
  await row.getByRole("button", { name: "resumeQueue" }).click();
  await page.waitForURL(/action=resumeQueue/);
  await page.getByRole("button", { name: "pauseQueue" }).first().waitFor({ state: "detached" });
  await row.getByText("/v1/queues/feeds/resume").waitFor();
  expect(complaints).toEqual([]);
});

test("on a phone, the menu leads to the other pages", async () => {
  await using opened = await open("/jobs", { viewport: { width: 390, height: 844 } });
  const { page } = opened;
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Dead letters" }).click();
  await page.getByRole("heading", { name: "Dead letters" }).waitFor();
});

test("with keys, the console asks for one, offers what its scopes permit, and again when it has expired", async () => {
  const scopes: Scope[] = ["jobs:read"];
  const limits = { queues: null, types: null, quotas: null, expiresAt: null };
  const note = async () => {};
  const definition = { name: "Ada", scopes, ...limits };
  const { id, key } = await issueKey(stack.sql, "default", definition, note);
  await stack.until("keys are required", async () =>
    (await fetch(`${stack.producers[0]!.url}/v1/whoami`)).status === 401 ? true : undefined,
  );
  await using opened = await open("/jobs");
  const { page } = opened;
  await page.getByLabel("API key").fill("toril_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("The API key does not exist").waitFor();
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("table", { name: "Jobs" }).or(page.getByRole("table")).first().waitFor();
  expect(await page.getByRole("link", { name: "Enqueue a job" }).count()).toBe(0);
  expect(await page.getByRole("link", { name: "API keys" }).count()).toBe(0);
  expect(await page.evaluate("document.cookie")).toBe("");
  const change = { expiresAt: new Date(Date.now() + 100).toISOString() };
  await changeKey(stack.sql, id, { tenant: "default", change, check() {} }, note);
  await page.getByText("Your session has ended").waitFor();
});
