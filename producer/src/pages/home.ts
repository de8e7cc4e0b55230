import type { Context } from "hono";
import type { AppEnv } from "../http/request-context.ts";
import { htmlPage } from "./page.ts";

const links = [
  ["docs", "/docs", "the API, to read and to try"],
  ["template", "/template", "add a job, and watch its life"],
  ["admin", "/admin/queues", "what is in the queues"],
  ["openapi", "/openapi.json", "the API as OpenAPI"],
  ["metrics", "/metrics", "for Prometheus"],
  ["readyz", "/readyz", "whether it is ready"],
] as const;

/** Serves the home page, which needs no authentication and reveals nothing confidential. */
export function home(version: string) {
  const addresses = Object.fromEntries(links.map(([name, path]) => [name, path]));
  const items = links.map(
    ([, path, what]) => `<li><a href="${path}"><code>${path}</code></a> ${what}</li>`,
  );
  const body = `<h1>Hello, this is Toril</h1>
<p>The HTTP gate in front of BullMQ: hand over a job at <code>POST /v1/jobs</code>.</p>
<nav aria-label="Where to go on"><ul>
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
