import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import {
  type BreakingChange,
  breakingChanges,
  type Document,
} from "@toril/contract/api/json-schema/breaking-changes";

/**
 * Compares openapi.yaml with its versions in HEAD and in the commit that changed it before. A change that breaks clients
 * of a job type passes only if the newest section of the changelog names its pointer; `*` matches all types.
 */
const path = "openapi.yaml";

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8", maxBuffer: 64_000_000 });
  return status === 0 ? stdout : undefined;
}

function isListedInChangelog({ pointer }: BreakingChange, notes: string): boolean {
  const forAll = pointer.replace(/^JobRequest\.[^/]+?(?=\/|$)/, "JobRequest.*");
  return notes.includes(`\`${pointer}\``) || notes.includes(`\`${forAll}\``);
}

const commits = git("log", "-2", "--format=%H", "--", path)?.trim().split("\n") ?? [];
const earlier = ["HEAD", ...commits.slice(1)]
  .map((commit) => git("show", `${commit}:${path}`))
  .filter((text) => text !== undefined);
const after = parse(readFileSync(path, "utf8")) as Document;
const notes = /^## [^\n]*\n(.*?)(?=^## |$(?![\s\S]))/ms.exec(
  readFileSync("CHANGELOG.md", "utf8"),
)?.[1];
const changes = earlier.flatMap((text) => breakingChanges(parse(text) as Document, after));
const unnoted = new Map(
  changes
    .filter((change) => !isListedInChangelog(change, notes ?? ""))
    .map((change) => [JSON.stringify(change), change]),
);

if (earlier.length === 0) console.log(`note: no earlier ${path} to compare with`);
for (const { pointer, detail } of unnoted.values()) console.error(`${pointer}: ${detail}`);
if (unnoted.size > 0) {
  console.error("This breaks clients. Keep it compatible, or name the pointer in CHANGELOG.md.");
  process.exitCode = 1;
}
