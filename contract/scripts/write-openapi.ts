import { readFile, writeFile } from "node:fs/promises";
import project from "../../package.json" with { type: "json" };
import { createApi } from "../src/api/http/index.ts";
import { shippedJobTypes } from "../src/api/job-types/index.ts";
import { buildOpenApi, toYaml } from "../src/api/openapi/openapi.ts";
import { createRegistry } from "../src/api/registry.ts";

const path = new URL("../../openapi.yaml", import.meta.url);
const text = toYaml(buildOpenApi(createApi(createRegistry(shippedJobTypes)), project.version));

if (!process.argv.includes("--check")) {
  await writeFile(path, text);
} else if ((await readFile(path, "utf8").catch(() => "")) !== text) {
  console.error("openapi.yaml is stale: run `bun run generate`");
  process.exitCode = 1;
}
