import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Scalar } from "@scalar/hono-api-reference";
import { Hono } from "hono";
import type { Api } from "@toril/contract/api/http/index";
import { buildOpenApi, toYaml } from "@toril/contract/api/openapi/openapi";
import { addJobTypes } from "@toril/contract/api/openapi/openapi-types";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { AppEnv, RequestContext } from "../http/request-context.ts";
import { withPolicy } from "./page.ts";

const scriptPath = "/docs/scalar.js";

/** Serves the OpenAPI document and a page that renders it. All assets are local, so that both work offline. */
export function createDocs(api: Api, code: JobTypeRegistry, version: string): Hono<AppEnv> {
  let built: ReturnType<typeof buildOpenApi> | undefined;

  /** Returns the document with the job types of the caller's tenant. */
  function document({ jobTypes }: RequestContext) {
    // Built on demand, because the document would be a fifth of an idle producer's memory.
    built ??= buildOpenApi(api, version);
    const registered = jobTypes.types.filter(({ type }) => code.find(type) === undefined);
    const [{ type: like } = { type: "" }] = code.types;
    return registered.length === 0 ? built : addJobTypes(built, like, registered);
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
      mcp: { disabled: true },
      hideClientButton: true,
      showDeveloperTools: "never",
      customCss: `a[href^="https://www.scalar.com"] { display: none; }`,
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
