import type { Context } from "hono";
import type { AppEnv } from "../http/request-context.ts";
import { htmlPage } from "./page.ts";

const links = [
  ["console", "/console", "jobs, dead letters, queues, schedules, imports and keys"],
  ["docs", "/docs", "API reference"],
  ["template", "/template", "enqueues a demo job and shows its events"],
  ["admin", "/admin/queues", "dashboard of the queues"],
  ["openapi", "/openapi.json", "OpenAPI document"],
  ["metrics", "/metrics", "Prometheus metrics"],
  ["readyz", "/readyz", "readiness"],
] as const;

/** Serves the home page, which needs no authentication and reveals nothing confidential. */
export function home(version: string) {
  const addresses = Object.fromEntries(links.map(([name, path]) => [name, path]));
  const items = links.map(
    ([, path, description]) => `<li><a href="${path}"><code>${path}</code></a> ${description}</li>`,
  );
  const body = `<h1>Hello, this is Toril</h1>
<p>A job queue with an HTTP API in front of BullMQ: enqueue a job with <code>POST /v1/jobs</code>.</p>
<dl>
<dt>Version</dt><dd>${version}</dd>
<dt>Health</dt><dd id="health" role="status">…</dd>
<dt>Jobs</dt><dd id="counts">sign in at the console</dd>
</dl>
<nav aria-label="Pages"><ul>
${items.join("\n")}
</ul></nav>`;
  return (c: Context<AppEnv>) => {
    const answer = wantsJson(c.req.header("accept") ?? "")
      ? c.json({ name: "toril", version, message: "Hello, this is Toril", links: addresses })
      : htmlPage({ title: "Toril", body, script });
    answer.headers.set("Vary", "Accept");
    return answer;
  };
}

/** Shows the readiness, and the counts to those who may read them. */
const script = `
function setText(id, text) {
  document.getElementById(id).textContent = text;
}
async function showHealth() {
  const { status, postgres, redis } = await (await fetch("/readyz")).json();
  setText("health", status + " (Postgres " + postgres + ", Redis " + redis + ")");
}
async function showCounts() {
  const caller = await fetch("/v1/whoami", { headers: { "Toril-Console": "1" } });
  if (!caller.ok || !(await caller.json()).scopes.includes("metrics:read")) return;
  const response = await fetch("/v1/overview", { headers: { "Toril-Console": "1" } });
  if (!response.ok) return;
  const { queues } = await response.json();
  const sum = (name) => queues.reduce((total, queue) => total + queue[name], 0);
  setText("counts", sum("waiting") + " waiting, " + sum("active") + " active, " + sum("delayed") + " delayed");
}
showHealth().catch(() => setText("health", "unknown"));
// The line above shows whether the service is available.
showCounts().catch(() => {});
`;

function wantsJson(accept: string): boolean {
  return /\bapplication\/json\b/.test(accept) && !/\btext\/html\b/.test(accept);
}
