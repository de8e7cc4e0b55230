import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { toGrafana } from "./panels.ts";
import { stores } from "./stores-dashboard.ts";
import { toril } from "./toril-dashboard.ts";

const isCheck = process.argv.includes("--check");

for (const [name, dashboard] of Object.entries({ toril, stores })) {
  const path = fileURLToPath(new URL(`dashboards/${name}.json`, import.meta.url));
  const text = `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`;
  if (!isCheck) {
    writeFileSync(path, text);
  } else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
    console.error(`ops/grafana/dashboards/${name}.json is stale: run bun run generate`);
    process.exitCode = 1;
  }
}
