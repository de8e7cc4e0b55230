import { issueKey } from "@toril/contract/engine/api-keys/key-ledger";
import type { Scope } from "@toril/contract/api/access/scope";
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, BrowserContextOptions, Response } from "playwright-core";

import { openBrowser } from "./_browser.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
let browser: Browser;
let url: string;

beforeAll(async () => {
  [stack, browser] = await Promise.all([startStack(), openBrowser()]);
  url = stack.producers[0]!.url;
});
afterAll(async () => {
  await browser?.close();
  await stack?.[Symbol.asyncDispose]();
});

/** A page, and what it complained about, of its policy too. */
async function open(path: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on(
    "console",
    (message) => void (message.type() === "error" && complaints.push(message.text())),
  );
  page.on("pageerror", (error) => complaints.push(String(error)));
  const response = await page.goto(`${url}${path}`, { timeout: 120_000 });
  return { page, complaints, response, close: () => context.close() };
}

async function watchLife(options: BrowserContextOptions = {}) {
  const { page, complaints, response, close } = await open("/template", options);
  expect(response!.status()).toBe(200);
  await page.getByRole("status").filter({ hasText: "active" }).waitFor();
  await page.getByRole("status").filter({ hasText: "completed" }).waitFor();
  const steps = await page
    .getByRole("list", { name: "Events" })
    .getByRole("listitem")
    .allTextContents();
  expect(steps[0]).toEndWith("accepted: committed to Postgres");
  expect(steps[1]).toEndWith("waiting: dispatched to Redis");
  for (const step of steps) expect(step).toMatch(/^\d\d:\d\d:\d\d\.\d{3} \+\d+ ms/);
  expect(steps.at(-1)).toContain('completed: {"message":"hello from /template"}');
  const id = await page.locator("code").first().textContent();
  const [row] = await stack.sql`select status, tenant from jobs where id = ${id}`;
  expect(complaints).toEqual([]);
  await close();
  return row!;
}

test.each(["light", "dark"] as const)("/ links to the other pages (%s)", async (colorScheme) => {
  const { page, complaints, close } = await open("/", { colorScheme });
  expect(await page.getByRole("heading").textContent()).toBe("Hello, this is Toril");
  const background = await page.evaluate<string>(
    "getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).color",
  );
  expect(background.includes("rgb(255, 255, 255)")).toBe(colorScheme === "dark");
  const links = await page.getByRole("navigation").getByRole("link").all();
  expect(links.length).toBe(7);
  await page.getByText("ok (Postgres ok, Redis ok)").waitFor();
  await page.getByText(/\d+ waiting, \d+ active/).waitFor();
  for (const link of links) {
    const answer = await fetch(`${url}${await link.getAttribute("href")}`);
    expect(answer.status).toBe(200);
    await answer.body?.cancel();
  }
  expect(complaints).toEqual([]);
  await close();
});

test("/ returns JSON to programs", async () => {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  expect(await answer.json()).toMatchObject({ name: "toril", links: { docs: "/docs" } });
});

/** Of a page that loads nothing from elsewhere, and runs no script but its own. */
function expectPolicy(response: Response | null) {
  const policy = response?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(/script-src ([^;]*)/.exec(policy)?.[1]).not.toMatch(/unsafe|https?:|\*/);
}

test.each(["/", "/template", "/admin/queues", "/admin/queues/queue/toril-default"])(
  "%s complies with its Content-Security-Policy and loads nothing from other hosts",
  async (path) => {
    const { page, complaints, response, close } = await open(path);
    expectPolicy(response);
    expect(await response!.text()).not.toMatch(/(?:src|href)="https?:/);
    await page
      .getByText(/Toril|accepted/)
      .first()
      .waitFor();
    expect(complaints).toEqual([]);
    await close();
  },
);

test("/docs complies with its Content-Security-Policy, and its first example request enqueues a job", async () => {
  const { page, complaints, response, close } = await open("/docs#tag/jobs/POST/v1/jobs");
  expectPolicy(response);
  const code = page.locator("pre", { hasText: "/v1/jobs" }).first();
  await code.waitFor({ timeout: 120_000 });
  const shown = (await code.textContent()) ?? "";
  const [, address] = /curl '?(\S+?)'? /.exec(shown) ?? [];
  const [, body] = /--data '([^']*)'/.exec(shown) ?? [];
  const answer = await fetch(address!, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: body!,
  });
  expect([answer.status, shown.includes("idempotency-key")]).toEqual([201, false]);
  expect(complaints).toEqual([]);
  await close();
});

test("/docs has no advertising", async () => {
  const { page, close } = await open("/docs");
  await page.getByRole("heading", { name: "Toril" }).first().waitFor({ timeout: 120_000 });
  for (const text of ["Powered by Scalar", "Generate MCP", "Developer Tools"]) {
    expect({ text, isVisible: await page.getByText(text).isVisible() }).toEqual({
      text,
      isVisible: false,
    });
  }
  await close();
});

test("Bull Board shows queue names without braces, and where completed jobs are", async () => {
  const { page, close } = await open("/admin/queues/queue/default");
  await page.getByText("see /console/jobs?queue=default").first().waitFor();
  await page.goto(`${url}/admin/queues`);
  await page.getByRole("link", { name: "default" }).first().waitFor();
  expect(await page.getByText("{default}").count()).toBe(0);
  await close();
});

test("/template shows the states of a job as they happen", async () => {
  expect(await watchLife()).toMatchObject({ status: "completed", tenant: "default" });
});

test("/template refuses requests from other sites, and HEAD enqueues no job", async () => {
  const count = async () => (await stack.sql`select count(*)::int as n from jobs`)[0]!["n"];
  const before = await count();
  const led = await fetch(`${url}/template`, { headers: { "Sec-Fetch-Site": "cross-site" } });
  expect(led.status).toBe(403);
  expect((await fetch(`${url}/template`, { method: "HEAD" })).status).toBe(200);
  expect(await count()).toBe(before);
});

test("with API keys, the browser's password authenticates the page and its events", async () => {
  const issue = (scopes: Scope[]) => {
    const limits = { queues: null, types: null, quotas: null, expiresAt: null };
    return issueKey(stack.sql, "acme", { name: "browser", scopes, ...limits }, async () => {});
  };
  const { key } = await issue(["jobs:write", "jobs:read"]);
  const { key: readOnly } = await issue(["jobs:read"]);
  await stack.until("keys are required", async () =>
    (await fetch(`${url}/template`, { method: "HEAD" })).status === 401 ? true : undefined,
  );
  const httpCredentials = { username: "toril", password: key };
  expect(await watchLife({ httpCredentials })).toMatchObject({
    status: "completed",
    tenant: "acme",
  });
  const basic = Buffer.from(`toril:${readOnly}`).toString("base64");
  const refused = await fetch(`${url}/template`, { headers: { Authorization: `Basic ${basic}` } });
  expect(refused.status).toBe(403);
  const hello = await open("/");
  expect(hello.response!.status()).toBe(200);
  await hello.close();
  await stack.sql`truncate api_keys`;
});
