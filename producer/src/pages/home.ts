import type { Context } from "hono";
import type { AppEnv } from "../http/request-context.ts";
import { htmlPage } from "./page.ts";

const links = [
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
<nav aria-label="Pages"><ul>
${items.join("\n")}
</ul></nav>`;
  return (c: Context<AppEnv>) => {
    const answer = wantsJson(c.req.header("accept") ?? "")
      ? c.json({ name: "toril", version, message: "Hello, this is Toril", links: addresses })
      : htmlPage({ title: "Toril", body });
    answer.headers.set("Vary", "Accept");
    return answer;
  };
}

function wantsJson(accept: string): boolean {
  return /\bapplication\/json\b/.test(accept) && !/\btext\/html\b/.test(accept);
}
