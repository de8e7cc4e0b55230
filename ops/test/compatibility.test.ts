import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";

import { root } from "./_stack.ts";

const withGit = test.skipIf(Bun.which("git") === null);
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "toril-compatibility-"));
  copyFileSync(join(root, "openapi.yaml"), join(dir, "openapi.yaml"));
  note("");
});
afterEach(() => rmSync(dir, { recursive: true }));

function note(text: string) {
  writeFileSync(join(dir, "CHANGELOG.md"), `# Changelog\n\n## 0.2.0\n\n${text}\n\n## 0.1.0\n`);
}

function git(...args: string[]) {
  const own = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  expect(spawnSync("git", [...own, ...args], { cwd: dir }).status).toBe(0);
}

function commit() {
  git("add", ".");
  git("commit", "--quiet", "--message", "a change");
}

/** A message of an echo may be no longer than that. */
function shorten(length: number) {
  const path = join(dir, "openapi.yaml");
  const text = readFileSync(path, "utf8");
  const changed = text.replace(
    /(EchoData:\n.*?message:\n +type: string\n)(?: +maxLength: \d+\n)?/s,
    `$1          maxLength: ${length}\n`,
  );
  expect(changed).not.toBe(text);
  writeFileSync(path, changed);
}

function check() {
  const script = join(root, "ops/dev/checks/check-compatibility.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
    cwd: dir,
    encoding: "utf8",
  });
  return { status, said: `${stdout}${stderr}` };
}

const pointer = "JobRequest.echo/properties/data/properties/message/maxLength";

withGit(
  "a breaking change fails before and after its commit unless the changelog names it",
  () => {
    git("init", "--quiet");
    commit();
    expect(check()).toEqual({ status: 0, said: "" });
    shorten(50);
    expect(check()).toEqual({
      status: 1,
      said: expect.stringContaining(`${pointer}: none became 50`),
    });
    commit();
    expect(check().status).toBe(1);
    for (const named of [pointer, pointer.replace("JobRequest.echo", "JobRequest.*")]) {
      note(`- Messages are short now (\`${named}\`).`);
      expect(check()).toEqual({ status: 0, said: "" });
    }
  },
  600_000,
);

withGit("the changelog entry of one breaking change does not cover another one", () => {
  git("init", "--quiet");
  commit();
  shorten(50);
  note("- Titles are short now (`JobRequest.echo/properties/data/properties/title/maxLength`).");
  expect(check().status).toBe(1);
});

withGit("without a committed version nothing is compared", () => {
  expect(check()).toEqual({
    status: 0,
    said: "note: no earlier openapi.yaml to compare with\n",
  });
});
