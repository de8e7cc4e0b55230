import { readFile, writeFile } from "node:fs/promises";
import project from "../../package.json" with { type: "json" };
import { buildOpenApi, toYaml } from "../src/api/openapi.ts";

const path = new URL("../../openapi.yaml", import.meta.url);
const text = toYaml(buildOpenApi(project.version));

if (!process.argv.includes("--check")) {
  await writeFile(path, text);
} else if ((await readFile(path, "utf8").catch(() => "")) !== text) {
  console.error("openapi.yaml is stale: run `bun run generate`");
  process.exitCode = 1;
}
