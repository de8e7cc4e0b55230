import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { z } from "zod";

/** Advisories by package. */
const Advisories = z.record(
  z.string(),
  z.array(z.object({ url: z.string(), title: z.string(), severity: z.string() })),
);

/** Ignored advisories, each with its reason. */
const Ignored = z.record(z.string().startsWith("GHSA-"), z.string().min(10));

const [path = new URL("../../audit-ignored.json", import.meta.url)] = process.argv.slice(2);
const ignored = Ignored.parse(JSON.parse(readFileSync(path, "utf8")));
const flags = Object.keys(ignored).map((id) => `--ignore=${id}`);
const { status, stdout, stderr } = spawnSync("bun", ["audit", "--json", ...flags], {
  encoding: "utf8",
  timeout: 30_000,
});
const findings = parseFindings(stdout);
if (findings === undefined) {
  console.log(`note: advisories were not checked: ${stderr.trim() || "no response in time"}`);
} else if (status !== 0) {
  for (const [name, advisories] of Object.entries(findings)) {
    for (const { severity, title, url } of advisories) {
      console.error(`${name}: ${severity}: ${title} (${url})`);
    }
  }
  console.error(
    "Upgrade the package, or add the advisory to ops/audit-ignored.json with a reason.",
  );
  process.exitCode = 1;
}

/** Returns undefined if the registry is unreachable or does not support advisories. */
function parseFindings(text: string): z.infer<typeof Advisories> | undefined {
  try {
    return Advisories.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
