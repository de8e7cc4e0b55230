import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Scalar } from "@scalar/hono-api-reference";
import { Hono } from "hono";
import { createApi } from "@toril/contract/api/http/index";
import { buildOpenApi, toYaml } from "@toril/contract/api/http/openapi";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { AppEnv, RequestContext } from "../http/request-context.ts";
import { withPolicy } from "./page.ts";

const scriptPath = "/docs/scalar.js";

/** Serves the OpenAPI document and a page that renders it. All assets are local, so that both work offline. */
export function createDocs(version: string): Hono<AppEnv> {
  // Built on demand, because the document would be a fifth of an idle producer's memory. A tenant has another registry
  // after each change of its job types.
  const built = new WeakMap<JobTypeRegistry, ReturnType<typeof buildOpenApi>>();
  function document({ jobTypes }: RequestContext) {
    const document = built.get(jobTypes) ?? buildOpenApi(createApi(jobTypes), version);
    built.set(jobTypes, document);
    return document;
  }
  const entry = import.meta.resolve("@scalar/api-reference");
  const script = fileURLToPath(new URL("browser/standalone.js", entry));
  const docs = new Hono<AppEnv>();
  docs.get("/openapi.json", (c) => c.json(document(c.env)));
  docs.get("/openapi.yaml", (c) =>
    c.body(toYaml(document(c.env)), 200, {
      "Content-Type": "application/yaml",
    }),
  );
  docs.use("/docs", async (c, next) => {
    await next();
    const nonce = crypto.randomUUID();
    const html = (await c.res.text())
      .replaceAll("<script", `<script nonce="${nonce}"`)
      .replace("<head>", '<head><link rel="icon" href="data:,">');
    c.res = undefined;
    c.res = withPolicy(html, {
      "script-src": `'nonce-${nonce}'`,
      // Scalar's components add inline styles at run time.
      "style-src": "'unsafe-inline'",
      "img-src": "'self' data:",
      "font-src": "data:",
    });
  });
  docs.get(
    "/docs",
    Scalar({
      url: "/openapi.json",
      cdn: scriptPath,
      pageTitle: "Toril API",
      withDefaultFonts: false,
      telemetry: false,
      agent: { disabled: true },
    }),
  );
  docs.get(scriptPath, async (c) =>
    c.body(await readFile(script), 200, {
      "Content-Type": "text/javascript",
      "Cache-Control": "public, max-age=86400",
    }),
  );
  return docs;
}
