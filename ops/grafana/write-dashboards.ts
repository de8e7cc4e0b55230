import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { dashboards } from "./dashboards.ts";
import { toGrafana } from "./panels.ts";

const isCheck = process.argv.includes("--check");

for (const [name, dashboard] of Object.entries(dashboards)) {
  const path = fileURLToPath(new URL(`dashboards/${name}.json`, import.meta.url));
  const text = `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`;
  if (!isCheck) {
    writeFileSync(path, text);
  } else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
    console.error(`ops/grafana/dashboards/${name}.json is stale: bun run generate`);
    process.exitCode = 1;
  }
}
