import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Lists the pages of the project, without dependencies and files that tests write. */
export function listDocuments(root: string): string[] {
  return list(root, "**/*.md");
}

export function list(root: string, pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync({ cwd: root, dot: true })]
    .filter((path) => !/(^|\/)(node_modules|\.git|\.toril|dist)\//.test(path))
    .toSorted();
}

/** Names of variables that appear as code on a page. */
export function documentedNames(root: string): Set<string> {
  return new Set(
    listDocuments(root).flatMap((path) => namesIn(readFileSync(join(root, path), "utf8"))),
  );
}

/** Words in code that look like names of variables. */
export function namesIn(text: string): string[] {
  return codeIn(text).flatMap(
    (code) => code.match(/(?<![\w$<-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b/g) ?? [],
  );
}

export function codeIn(text: string): string[] {
  const blocks = text.match(/^```[^]*?^```/gm) ?? [];
  const inline = text.replaceAll(/^```[^]*?^```/gm, "").match(/`[^`\n]+`/g) ?? [];
  return [...blocks, ...inline];
}
