import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The project's pages, without those of others and those that tests write. */
export function listDocuments(root: string): string[] {
  return list(root, "**/*.md");
}

export function list(root: string, pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync({ cwd: root, dot: true })]
    .filter((path) => !/(^|\/)(node_modules|\.git|\.toril|dist)\//.test(path))
    .toSorted();
}

/** Names of variables that some page shows as code. */
export function documentedNames(root: string): Set<string> {
  return new Set(
    listDocuments(root).flatMap((path) => namesIn(readFileSync(join(root, path), "utf8"))),
  );
}

/** What is written like a variable's name, in code. */
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
