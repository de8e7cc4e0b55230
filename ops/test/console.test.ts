import { afterAll, beforeAll, expect, test } from "bun:test";
import { changeKey } from "@toril/contract/engine/api-keys/change-key";
import { issueKey } from "@toril/contract/engine/api-keys/key-ledger";
import type { Scope } from "@toril/contract/api/access/scope";
import type { Page, Response } from "playwright-core";

import { activitySlotMs } from "@toril/contract/engine/activity/activity-log";
import { activityKey } from "@toril/contract/engine/redis/names";
import { findViolations, startConsole } from "./_console.ts";
import { startOidcProducer } from "./_oidc-producer.ts";
import type { Stack } from "./_stack.ts";

const pages = [
  "",
  "/jobs",
  "/jobs/new",
  "/dead-letters",
  "/operations",
  "/queues",
  "/queues/default",
  "/schedules",
  "/feeds",
  "/imports",
  "/webhooks",
  "/webhooks/orders",
  "/job-types",
  "/keys",
  "/audit",
  "/runbook",
];

/** Buttons of pages that change nothing. */
const harmless =
  /^(24 hours|7 days|30 days|Copy|Copy as code|More filters|Fewer filters|First page|Next page|Schema|Download|Dead letters|Inspect|Limits of the queue)$/;

let ui: Awaited<ReturnType<typeof startConsole>>;
let stack: Stack;
let open: (typeof ui)["open"];

beforeAll(async () => {
  ui = await startConsole();
  ({ stack, open } = ui);
  await stack.client.putWebhook("orders", {
    url: "http://127.0.0.1:1/",
    events: ["job.dead"],
  });
  await stack.client.putSchedule("nightly", {
    cron: "30 2 * * *",
    timeZone: "Europe/Berlin",
    job: { type: "echo", data: { message: "nightly" } },
  });
});
afterAll(() => ui?.[Symbol.asyncDispose]());

/** Navigates within the console, as links do. */
async function show(page: Page, path: string) {
  await page.evaluate(
    `history.pushState(null, "", ${JSON.stringify(`/console${path}`)}); dispatchEvent(new PopStateEvent("popstate"))`,
  );
  await page.evaluate(
    "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))",
  );
  await page.locator("main h1").waitFor();
  await page.getByLabel("Loading").first().waitFor({ state: "detached" });
}

/** Waits for the end of the session, which a page notices when it loads its data again, as when its tab is shown. */
async function waitForEndOfSession(page: Page) {
  const message = page.getByText("Your session has ended");
  await stack.until("the session has ended", async () => {
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    return (await message.isVisible()) || undefined;
  });
}

function hasStatus(page: Page, status: string) {
  return page.getByLabel("Details").locator(".status", { hasText: status }).waitFor();
}

/** Counts the runs on the timeline of 7 days that are 2.5 hours to the right of a midnight of their time zone. */
function countRunsAfterMidnight(page: Page) {
  return page.evaluate<number>(`(() => {
    const read = (selector) =>
      [...document.querySelectorAll(selector)].map(({ style }) => Number.parseFloat(style.left));
    const midnights = read("[aria-label='Time zone Europe/Berlin'] .runs-axis span");
    const isHalfPastTwo = (at) =>
      midnights.some((midnight) => Math.abs(((at - midnight) * 7 * 24) / 100 - 2.5) < 0.1);
    return read("[aria-label='Next runs of nightly'] .run").filter(isHalfPastTwo).length;
  })()`);
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
  await page.getByRole("button", { name: "Edit as JSON" }).click();
  await page.getByLabel("Data as JSON").fill('{ "message": "not JSON"');
  await page.getByRole("alert").or(page.getByText("SyntaxError")).waitFor();
  for (const name of ["Dry run", "Enqueue"]) {
    expect(await page.getByRole("button", { name }).isDisabled()).toBe(true);
  }
  await page.getByRole("button", { name: "Edit as form" }).click();
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
  await page.getByText(/^Written to Redis, time to start \d/).waitFor();
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
  await dialog.getByRole("button", { name: "Close" }).first().click();
  await page.getByRole("cell", { name: "Error" }).getByRole("link").click();
  await page.getByRole("button", { name: `Delete ${id}` }).click();
  await dialog.getByText("This cannot be undone").waitFor();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.getByText("The dead letter is deleted.").waitFor();
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
  const charts = await page.getByRole("slider", { name: "Jobs per second" }).count();
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
  await stack.client.createJob({ type: "echo", data: { message: "x" }, delayMs: 600_000 });
  const state = page.getByRole("combobox", { name: /^State/ });
  await page.getByLabel("Status").selectOption("dead");
  expect(await state.isDisabled()).toBe(true);
  await page.getByLabel("Status").selectOption("");
  await page.getByLabel("Key").fill("");
  await page.getByLabel("Key").press("Enter");
  await state.selectOption("delayed");
  await page.waitForURL(/\?type=echo&state=delayed$/);
  await page.getByRole("table").getByText("delayed").first().waitFor();
  await page.getByRole("table").getByRole("link").first().click();
  await page.getByText("Waiting until due").waitFor();
});

test("links within a page move the focus, and an address without a page or a page that fails leaves the menu", async () => {
  await using opened = await open("/runbook", {});
  const { page } = opened;
  await page.getByRole("link", { name: "Skip to content" }).focus();
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.activeElement.id")).toBe("main");
  await page.getByRole("link", { name: "PostgresSlow" }).first().click();
  await page.waitForURL(/#postgresslow$/);
  expect(await page.evaluate<number>("scrollY")).toBeGreaterThan(0);
  for (const path of ["/%ff", "/jobs/%ff", "/no/page"]) {
    await page.goto(ui.url + path);
    await page.getByRole("link", { name: "Dead letters" }).waitFor();
  }
  await page.route("**/v1/queues", (route) => route.fulfill({ json: { items: [{}] } }));
  await page.getByRole("link", { name: "Queues" }).click();
  await page.getByRole("heading", { name: "The page failed" }).waitFor();
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
});

test("on plain HTTP, the text of a dialog is copied", async () => {
  const message = "copied on plain HTTP";
  const options = { key: "copied", timeoutMs: 7000, order: "lifo", attempts: 4 } as const;
  const { id } = await stack.client.createJob({ type: "echo", data: { message }, ...options });
  await using opened = await open(`/jobs/${id}`, {}, ui.plainUrl);
  const { page } = opened;
  expect(await page.evaluate<boolean>("isSecureContext")).toBe(false);
  await page.getByRole("button", { name: "Copy as code" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Copy" }).first().click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Jobs", exact: true }).first().click();
  await page.getByLabel("Key").focus();
  await page.keyboard.press("Control+V");
  const copied = await page.getByLabel("Key").inputValue();
  const [, body = ""] = /-d '(.+)'$/s.exec(copied) ?? [];
  const backoff = { type: "exponential", delay: 1000 };
  expect(JSON.parse(body)).toEqual({ type: "echo", data: { message }, ...options, backoff });
});

test("messages about errors cover nothing that cannot be reached, and leave with their page", async () => {
  await using opened = await open("/queues", { viewport: { width: 1280, height: 360 } });
  const { page } = opened;
  const toasts = page.getByRole("status").getByRole("button", { name: "Dismiss" });
  const pause = page.getByRole("button", { name: "Pause feeds" });
  let count = 0;
  await page.route("**/pause", (route) => {
    const title = `Error ${(count += 1)}`;
    const problem = { type: "urn:toril:problem:conflict", status: 409, title };
    const headers = { "Content-Type": "application/problem+json" };
    return route.fulfill({ status: 409, headers, body: JSON.stringify(problem) });
  });
  for (const title of ["Error 1", "Error 2", "Error 3"]) {
    await pause.click();
    await page.getByRole("status").getByText(title).waitFor();
  }
  expect(await toasts.count()).toBe(3);
  const isReachable = await page.evaluate<boolean>(`(() => {
    const button = document.querySelector('[aria-label="Pause feeds"]');
    button.scrollIntoView({ block: "start" });
    const { x, y, width, height } = button.getBoundingClientRect();
    return button.contains(document.elementFromPoint(x + width / 2, y + height / 2));
  })()`);
  expect(isReachable).toBe(true);
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  await toasts.first().waitFor({ state: "detached" });
});

test("a job page stays live when the producer is restarted", async () => {
  await stack.client.pauseQueue("default");
  const { id } = await stack.client.createJob({ type: "echo", data: { message: "later" } });
  await using opened = await open(`/jobs/${id}`);
  await hasStatus(opened.page, "waiting");
  const dispatched = opened.page.getByRole("listitem").filter({ hasText: "Dispatched" });
  const { dispatchedAt } = await stack.client.getJob(id);
  expect(await dispatched.locator("time").getAttribute("datetime")).toBe(dispatchedAt);
  await stack.producers[0]!.restart();
  await stack.client.resumeQueue("default");
  await hasStatus(opened.page, "completed");
});

test("the overview follows a stream, also after the producer was restarted", async () => {
  await using opened = await open("/queues");
  const { page } = opened;
  const polls: string[] = [];
  const isSnapshot = (response: Response) =>
    response.url().endsWith("/v1/overview/events") && response.ok();
  // The first connection is refused, as by a producer that starts.
  await page.route("**/v1/overview/events", (route) => route.fulfill({ status: 429 }), {
    times: 1,
  });
  const first = page.waitForResponse(isSnapshot);
  await page.getByRole("heading", { name: "Queues" }).waitFor();
  await show(page, "");
  await first;
  page.on("request", (request) => {
    if (request.url().endsWith("/v1/overview")) polls.push(request.url());
  });
  const again = page.waitForResponse(isSnapshot);
  await stack.producers[0]!.restart();
  await again;
  polls.length = 0;
  await stack.client.pauseQueue("feeds");
  await page.getByText("The queue feeds is paused").waitFor();
  await stack.client.resumeQueue("feeds");
  await page.getByText("The queue feeds is paused").waitFor({ state: "detached" });
  expect(polls.length).toBeLessThanOrEqual(1);
});

test("a hidden overview closes its stream, and shows the activity of the gap afterwards, also by keyboard", async () => {
  await using opened = await open("", {});
  const { page } = opened;
  await page.clock.install();
  const isStream = (request: { url(): string }) => request.url().endsWith("/v1/overview/events");
  const setVisibility = (state: string) =>
    page.evaluate(
      `Object.defineProperty(document, "visibilityState", { configurable: true, value: "${state}" });
       document.dispatchEvent(new Event("visibilitychange"))`,
    );
  await page.getByRole("slider", { name: "Failures" }).waitFor();
  await setVisibility("hidden");
  const ended = page.waitForEvent("requestfailed", isStream);
  await page.clock.fastForward(31_000);
  await ended;
  // As if the page had been hidden for ten minutes.
  const slot = (await stack.client.getOverview()).slots.at(-60)!;
  const key = activityKey("bull") + Date.parse(slot.at) / activitySlotMs;
  await stack.redisClient.hincrby(key, "dead", 7);
  await stack.until(
    "the service shows the gap",
    async () =>
      (await stack.client.getOverview()).slots.some(({ dead }) => dead === 7) || undefined,
  );
  // Only the stream can fill the gap.
  await page.route("**/v1/overview", (route) => route.abort());
  const again = page.waitForResponse(isStream);
  await setVisibility("visible");
  await again;
  await page.locator("[aria-valuetext*='dead']").waitFor();

  const read = (title: string) =>
    page.evaluate<string[]>(`(async () => {
      const chart = document.querySelector("[role=slider][aria-label^='${title}']");
      const press = async (key) => {
        chart.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        await new Promise((resolve) => setTimeout(resolve));
        return chart.getAttribute("aria-valuetext").replace(/^.*?: /, "");
      };
      const texts = [await press("Home")];
      while (chart.ariaValueNow !== chart.ariaValueMax) texts.push(await press("ArrowRight"));
      return texts;
    })()`);
  await stack.until("the page shows what the service has recorded", async () => {
    const shown = [await read("Failures"), await read("Backlog")];
    const { slots } = await stack.client.getOverview();
    const recorded = [
      slots.map(
        ({ dead, retried, refused }) => `dead ${dead}, retried ${retried}, refused ${refused}`,
      ),
      slots.map(({ waiting, active }) => `waiting ${waiting ?? "–"}, active ${active ?? "–"}`),
    ];
    const isShown = recorded.every((texts, index) => {
      // The page and the service may have begun the next slot at different times.
      return shown[index]!.join("; ").includes(texts.slice(2, -2).join("; "));
    });
    return (isShown && shown[0]!.some((text) => text.startsWith("dead 7"))) || undefined;
  });
  const chart = page.getByRole("slider", { name: "Failures" });
  await chart.focus();
  await chart.press("Home");
  expect(await chart.getAttribute("aria-valuenow")).toBe("0");
});

test("every page is accessible, complies with its policy, and fits a phone, light and dark", async () => {
  const { id } = await stack.client.createJob({ type: "echo", data: { message: "shown" } });
  await using opened = await open("", { colorScheme: "light" });
  const { page, complaints } = opened;
  const found: unknown[] = [];

  async function check(path: string, options: object) {
    const serious = await findViolations(page, options);
    if (serious.length > 0) found.push({ path, serious });
  }

  for (const path of [...pages, `/jobs/${id}`]) {
    await show(page, path);
    await check(path, {});
    await page.setViewportSize({ width: 360, height: 780 });
    const overflow = await getOverflow(page, "html");
    if (overflow > 0) found.push({ path, overflow });
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  // The pages share their colours: one page, with a status, shows the contrast of the other theme.
  await page.emulateMedia({ colorScheme: "dark" });
  await check("dark", { runOnly: ["color-contrast"] });
  await show(page, "/schedules");
  const runs = page.getByRole("listbox", { name: "Next runs of nightly" });
  await page.getByRole("button", { name: "7 days" }).click();
  await page.getByText("7 runs").waitFor();
  await runs.press("End");
  const last = runs.getByRole("option", { selected: true });
  expect(await last.getAttribute("aria-label")).toMatch(/^\d{4}-\d\d-\d\d 02:30 \+0[12]:00$/);
  await page.getByText(await last.getAttribute("aria-label").then(String)).waitFor();
  expect(await countRunsAfterMidnight(page)).toBeGreaterThan(4);
  await page.getByRole("button", { name: "Create a schedule" }).click();
  await page.getByRole("dialog").waitFor();
  await check("dialog, dark", {});
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
  await using opened = await open("/jobs", { viewport: { width: 360, height: 780 } });
  const { page } = opened;
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Dead letters" }).click();
  await page.getByRole("heading", { name: "Dead letters" }).waitFor();
});

test("a person signs in with OpenID Connect and acts under that name, and no other site can act", async () => {
  await using oidc = await startOidcProducer(stack, "queues:admin jobs:read");
  const { origin, people, issuerUrl } = oidc;
  await using opened = await open("/queues", {}, `${origin}/console`);
  const { page } = opened;
  const signIn = page.getByRole("link", { name: "Sign in with" });
  await signIn.click();
  await page.getByRole("link", { name: "Refuse" }).click();
  await page.getByRole("alert").getByText("alice said no").waitFor();
  await signIn.click();
  await page.getByRole("link", { name: "Sign in as alice" }).click();
  await page.getByRole("button", { name: "Pause feeds" }).click();
  const resume = page.getByRole("button", { name: "Resume feeds" });
  await resume.waitFor();
  expect(await page.evaluate("document.cookie")).toBe("");

  const other = await page.context().newPage();
  await other.goto(`${issuerUrl}/authorize`);
  const target = JSON.stringify(`${origin}/v1/queues/feeds/resume`);
  const sent = other.waitForResponse(`${origin}/v1/queues/feeds/resume`);
  // A form and a script of another site, in the browser that has the session.
  await other.evaluate(
    `fetch(${target}, { method: "POST", mode: "no-cors", credentials: "include" }).catch(() => {})`,
  );
  expect((await sent).status()).toBe(401);
  const [submitted] = await Promise.all([
    other.waitForNavigation(),
    other.evaluate(
      `document.body.append(Object.assign(document.createElement("form"), { method: "POST", action: ${target} })); document.forms[0].submit()`,
    ),
  ]);
  expect(submitted!.status()).toBe(401);
  const audited = await stack.sql`
    select actor, action, outcome from audit_log where actor <> 'anyone' order by seq desc limit 2`;
  expect([...audited]).toEqual([
    { actor: "token:alice", action: "pauseQueue", outcome: "done" },
    { actor: "token:alice", action: "signIn", outcome: "done" },
  ]);

  // As when the session has expired: the console refreshes it.
  await page.context().clearCookies({ name: "toril-session" });
  await resume.click();
  await page.getByRole("button", { name: "Pause feeds" }).waitFor();
  expect(people.counts.refreshed).toBeGreaterThan(0);
  await show(page, "/jobs");
  await page.getByLabel("Key").fill("entered before");
  people.endSessions();
  await page.context().clearCookies({ name: "toril-session" });
  await waitForEndOfSession(page);
  const opening = page.waitForEvent("popup");
  await signIn.click();
  const tab = await opening;
  await tab.getByRole("link", { name: "Sign in as alice" }).click();
  await tab.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
  await page.evaluate("dispatchEvent(new Event('focus'))");
  await page.getByText("Your session has ended").waitFor({ state: "detached" });
  expect(await page.getByLabel("Key").inputValue()).toBe("entered before");
});

test("with keys, the console asks for one, offers what its scopes permit, and again when it has expired", async () => {
  await using opened = await open("/keys", {});
  const { page } = opened;
  await page.getByRole("button", { name: "Create a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByRole("alert").getByText("/name").waitFor();
  await dialog.getByLabel("Name").fill("first");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByRole("region", { name: "Key" }).getByText("toril_").waitFor();
  await page.locator(".account-name", { hasText: "first" }).waitFor();
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("row", { name: /first/ }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out").waitFor();

  const scopes: Scope[] = ["all:read"];
  const limits = { queues: null, types: null, quotas: null, expiresAt: null };
  const note = async () => {};
  const definition = { name: "Ada", scopes, ...limits };
  const { id, key } = await issueKey(stack.sql, "default", definition, note);
  await page.goto(`${ui.url}/jobs`);
  await page.getByLabel("API key").fill("toril_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("The API key does not exist").waitFor();
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
  const found: unknown[] = [];
  for (const path of pages) {
    await show(page, path);
    const buttons = await page.locator("main .button").allTextContents();
    const actions = buttons.filter((text) => !harmless.test(text));
    const refusals = await page.locator("main [role=alert]").allTextContents();
    if (actions.length + refusals.length > 0) found.push({ path, actions, refusals });
  }
  expect(found).toEqual([]);
  expect(await page.evaluate("document.cookie")).toBe("");
  // A page that loads data again and again.
  await show(page, "/jobs");
  const change = { expiresAt: new Date(Date.now() + 100).toISOString() };
  await changeKey(stack.sql, id, { tenant: "default", change, check() {} }, note);
  await waitForEndOfSession(page);

  const shop = { ...definition, name: "shop", quotas: { rate: 5 } };
  await issueKey(stack.sql, "default", shop, note);
  async function signIn(given: Parameters<typeof issueKey>[2]) {
    await page.goto(ui.url);
    await page.getByLabel("API key").fill((await issueKey(stack.sql, "default", given, note)).key);
    await page.getByRole("button", { name: "Sign in" }).click();
  }
  const menu = page.getByRole("navigation", { name: "Main" });
  const restricted = { ...definition, name: "mail", queues: ["default"], types: ["echo"] };
  await signIn({ ...restricted, scopes: [...scopes, "queues:admin"] });
  await menu.getByRole("link", { name: "Queues" }).click();
  await page.getByRole("button", { name: "Pause default" }).waitFor();
  for (const name of ["Feeds", "API keys", "Audit log", "Bull Board"]) {
    expect(await page.getByRole("link", { name }).count()).toBe(0);
  }
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out").waitFor();

  await signIn({ ...definition, name: "admin", scopes: ["keys:admin"] });
  await page.getByText("The overview requires the scope metrics:read").waitFor();
  expect(await page.getByRole("alert").count()).toBe(0);
  await menu.getByRole("link", { name: "API keys" }).click();
  await page.getByText("0 of 5 jobs at once").waitFor();
  await page.getByRole("button", { name: "Quotas of shop" }).click();
  await page.getByLabel("Pending jobs").fill("7");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("0 of 7 pending jobs").waitFor();
  // The first key has every scope.
  expect(await getOverflow(page, ".table-frame")).toBe(0);
  expect(await findViolations(page)).toEqual([]);
});

test("what was entered stays when the session ends, unless the next key permits less", async () => {
  const limits = { queues: null, types: null, quotas: null, expiresAt: null };
  const issue = (name: string, scopes: Scope[]) =>
    issueKey(stack.sql, "default", { name, scopes, ...limits }, async () => {});
  await using opened = await open("/keys", {});
  const { page } = opened;
  const signIn = async ({ key }: { key: string }) => {
    await page.getByRole("textbox", { name: "API key" }).fill(key);
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  async function expire({ id }: { id: string }) {
    const change = { expiresAt: new Date(Date.now() + 100).toISOString() };
    await changeKey(stack.sql, id, { tenant: "default", change, check() {} }, async () => {});
    await waitForEndOfSession(page);
  }
  const first = await issue("first", ["all:read", "keys:admin"]);
  await signIn(first);
  await page.getByRole("button", { name: "Create a key" }).click();
  const dialog = page.getByRole("dialog", { name: "Create a key" });
  await dialog.getByLabel("Name").fill("entered");
  await expire(first);
  expect(await findViolations(page)).toEqual([]);
  for (const _ of ["once", "twice"]) await page.keyboard.press("Escape");
  await page.getByText("Your session has ended").waitFor();
  const second = await issue("second", ["all:read", "keys:admin"]);
  await signIn(second);
  await page.locator(".account-name", { hasText: "second" }).waitFor({ state: "attached" });
  expect(await dialog.getByLabel("Name").inputValue()).toBe("entered");
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.getByRole("dialog", { name: "The key entered" }).waitFor();

  await expire(second);
  await signIn(await issue("third", ["all:read"]));
  await page.locator(".account-name", { hasText: "third" }).waitFor();
  expect(await page.getByRole("dialog").count()).toBe(0);
});

/** Returns by how many pixels the content of an element is wider than the element. */
function getOverflow(page: Page, selector: string): Promise<number> {
  return page.evaluate<number>(
    `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector("${selector}"))`,
  );
}
