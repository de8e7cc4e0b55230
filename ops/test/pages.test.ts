import { issueKey } from "@toril/contract/engine/api-keys/key-ledger";
import type { Scope } from "@toril/contract/api/access/scope";
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, BrowserContextOptions, Response } from "playwright-core";

import { createPageOpener, openBrowser } from "./_browser.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
let browser: Browser;
let openPage: ReturnType<typeof createPageOpener>;
let url: string;

beforeAll(async () => {
  [stack, browser] = await Promise.all([startStack(), openBrowser()]);
  openPage = createPageOpener(browser);
  url = stack.producers[0]!.url;
});
afterAll(async () => {
  await browser?.close();
  await stack?.[Symbol.asyncDispose]();
});

const open = (path: string, options?: BrowserContextOptions) => openPage(`${url}${path}`, options);

/** @param whenWaiting starts the job, so that its page cannot miss that it is active */
async function watchLife(options?: BrowserContextOptions, whenWaiting?: () => Promise<unknown>) {
  await using opened = await open("/template", options);
  const { page, complaints, response } = opened;
  expect(response!.status()).toBe(200);
  const hasStatus = (hasText: string) => page.getByRole("status").filter({ hasText }).waitFor();
  if (whenWaiting !== undefined) {
    await hasStatus("waiting");
    await whenWaiting();
  }
  await hasStatus("completed");
  const steps = await page
    .getByRole("list", { name: "Events" })
    .getByRole("listitem")
    .allTextContents();
  expect(steps[0]).toEndWith("accepted: committed to Postgres");
  expect(steps[1]).toEndWith("waiting: dispatched to Redis");
  for (const step of steps) expect(step).toMatch(/^\d\d:\d\d:\d\d\.\d{3} \+\d+ ms/);
  expect(steps.at(-1)).toContain('completed: {"message":"hello from /template"}');
  if (whenWaiting !== undefined) expect(steps.at(2)).toEndWith("active");
  const id = await page.locator("code").first().textContent();
  const [row] = await stack.sql`select status, tenant from jobs where id = ${id}`;
  expect(complaints).toEqual([]);
  return row!;
}

test.each(["light", "dark"] as const)("/ links to the other pages (%s)", async (colorScheme) => {
  await using opened = await open("/", { colorScheme });
  const { page, complaints } = opened;
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
});

test("/ returns JSON to programs", async () => {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  expect(await answer.json()).toMatchObject({ name: "toril", links: { docs: "/docs" } });
});

/** Expects the policy of a page that loads nothing from other origins and runs only its own scripts. */
function expectPolicy(response: Response | null) {
  const policy = response?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(/script-src ([^;]*)/.exec(policy)?.[1]).not.toMatch(/unsafe|https?:|\*/);
}

test.each(["/", "/template", "/admin/queues", "/admin/queues/queue/toril-default"])(
  "%s complies with its Content-Security-Policy and loads nothing from other hosts",
  async (path) => {
    await using opened = await open(path);
    const { page, complaints, response } = opened;
    expectPolicy(response);
    expect(await response!.text()).not.toMatch(/(?:src|href)="https?:/);
    await page
      .getByText(/Toril|accepted/)
      .first()
      .waitFor();
    expect(complaints).toEqual([]);
  },
);

test("/docs complies with its Content-Security-Policy, has no advertising, and its first example request enqueues a job", async () => {
  await using opened = await open("/docs#tag/jobs/POST/v1/jobs");
  const { page, complaints, response } = opened;
  expectPolicy(response);
  const code = page.locator("pre", { hasText: "/v1/jobs" }).first();
  await code.waitFor({ timeout: 120_000 });
  for (const text of ["Powered by Scalar", "Generate MCP", "Developer Tools"]) {
    expect([text, await page.getByText(text).isVisible()]).toEqual([text, false]);
  }
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
});

test("Bull Board shows queue names without braces, and where completed jobs are", async () => {
  await using opened = await open("/admin/queues/queue/default");
  const { page } = opened;
  await page.getByText("see /console/jobs?queue=default").first().waitFor();
  await page.goto(`${url}/admin/queues`);
  await page.getByRole("link", { name: "default" }).first().waitFor();
  expect(await page.getByText("{default}").count()).toBe(0);
});

test("/template shows the states of a job as they happen", async () => {
  const resume = () => stack.client.resumeQueue("default");
  await stack.client.pauseQueue("default");
  try {
    const row = await watchLife(undefined, resume);
    expect(row).toMatchObject({ status: "completed", tenant: "default" });
  } finally {
    await resume();
  }
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
  await using hello = await open("/");
  expect(hello.response!.status()).toBe(200);
  await stack.sql`truncate api_keys`;
});
