import { lint, loadConfig } from "@redocly/openapi-core";

/** Lints openapi.yaml with Redocly, offline. */
const config = await loadConfig({ configPath: "redocly.yaml" });
const problems = await lint({ ref: "openapi.yaml", config });
for (const { severity, ruleId, message, location } of problems) {
  console.error(`${severity}: ${location[0]?.pointer ?? ""}: ${message} (${ruleId})`);
}
process.exitCode = problems.length > 0 ? 1 : 0;
