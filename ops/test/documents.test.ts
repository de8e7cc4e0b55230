import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "bun:test";

import project from "../../package.json" with { type: "json" };
import { projectScripts } from "../cli/project/init-project.ts";
import { listVariables } from "../dev/checks/configuration.ts";
import { codeIn, list, listDocuments, namesIn } from "./_documents.ts";
import { root } from "./_stack.ts";

const variables = new Map(listVariables().map((variable) => [variable.name, variable]));
const documents = listDocuments(root);
const scripts = { ...project.scripts, ...projectScripts };

/** Source and configuration files, which may name variables. */
const sources = [
  "**/*.{ts,mjs,js,sh,env,yaml,yml,service,target,conf,json}",
  "**/{Caddyfile,Dockerfile}",
]
  .flatMap((pattern) => list(root, pattern))
  .filter((path) => !path.endsWith(".test.ts") && path !== "openapi.yaml")
  .map((path) => readFileSync(join(root, path), "utf8"))
  .join("\n");
const mentioned = new Set(sources.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g));

describe.each(documents)("%s", (path) => {
  const text = readFileSync(join(root, path), "utf8");

  test("names only variables that a program reads", () => {
    // The changelog also names variables that were removed.
    const names = path === "CHANGELOG.md" ? [] : namesIn(text).filter((name) => name.includes("_"));
    const unknown = names.filter((name) => {
      const plain = name.replace(/_FILE$/, "");
      return !variables.has(plain) && !mentioned.has(name) && !elsewhere.has(name);
    });
    expect(unknown).toEqual([]);
  });

  test("links to existing files only", () => {
    const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)];
    const missing = links.map(([, link = ""]) => link).filter((link) => !exists(link));
    expect(missing).toEqual([]);
  });

  test("shows existing paths only", () => {
    const shown = codeIn(text).flatMap(
      (code) =>
        code.match(/(?<![\w/.@:-])(?:ops|contract|producer|consumer|loadtest)\/[\w./@-]+/g) ?? [],
    );
    const missing = shown
      .map((one) => one.replace(/[./]+$/, ""))
      .filter((one) => !existsSync(join(root, one)) && !isPrefix(one));
    expect(missing).toEqual([]);
  });

  test("shows existing commands only", () => {
    const commands = codeIn(text).flatMap((code) =>
      [...code.matchAll(/\b(?:bun|npm) run (?!-)([\w:.-]+)/g)].map(([, name = ""]) => name),
    );
    const unknown = commands.filter((name) => !Object.hasOwn(scripts, name));
    expect(unknown).toEqual([]);
  });

  function exists(link: string) {
    return existsSync(join(root, dirname(path), link));
  }
});

/** `ops/test/k8s` for `ops/test/k8s.test.ts`, as `npm test --` takes it. */
function isPrefix(path: string): boolean {
  return list(root, `${path}*`).length > 0;
}

/** Variables of other programs, and renamed ones in the changelog. */
const elsewhere = new Set(["CREDENTIALS_DIRECTORY", "COMPOSE_PROFILES", "MAX_UNPLACED_JOBS"]);

describe("README's table of variables", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, table = ""] = /^## Configuration$([^]*?)^## /m.exec(readme) ?? [];
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));

  test.each(rows)("%s", (row) => {
    const [, first = "", shown = "", of = ""] = row.split(" | ").join("|").split("|");
    const names = first.match(/[A-Z][A-Z0-9_]+/g) ?? [];
    const shownDefaults = shown.replaceAll("`", "").split(/, /);
    for (const [index, name] of names.entries()) {
      const variable = variables.get(name);
      expect({ name, exists: variable !== undefined }).toEqual({ name, exists: true });
      const programs = Object.keys(variable?.defaults ?? {}).filter((one) => one !== "migrate");
      expect(programs.length > 1 ? "both" : programs[0]).toBe(of.trim());
      const defaults = Object.values(variable?.defaults ?? {});
      const said = (names.length > 1 ? shownDefaults[index] : shown.replaceAll("`", "")) ?? "";
      const isSaid = defaults.every((one) => one === undefined || said.includes(one));
      if (/\d/.test(shown)) expect({ name, said, isSaid }).toEqual({ name, said, isSaid: true });
    }
  });
});

test("every variable is in ops/configuration.md", () => {
  const text = readFileSync(join(root, "ops/configuration.md"), "utf8");
  const missing = [...variables.keys()].filter((name) => !text.includes(`| \`${name}\` |`));
  expect(missing).toEqual([]);
});
