import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { _runCommand } from "../_run-command.ts";
import { findConnection } from "./connect.ts";
import { getProfilesPath } from "./profiles.ts";

let dir: string;
let env: Record<string, string>;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "toril-profiles-"));
  env = { XDG_CONFIG_HOME: dir };
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function find(options: Record<string, string>, more: Record<string, string> = {}) {
  const parsed = { operands: [], options, flags: new Set<string>() };
  return findConnection(parsed, { env: { ...env, ...more }, directory: "/nonexistent" });
}

test("profiles are stored in a file that only its owner can read", async () => {
  await _runCommand("profiles set prod --url https://jobs.example.org --key -", {
    env,
    input: "toril_abc_secret\n",
  });
  await _runCommand("profiles set test --url http://test.example.org", { env });
  expect(statSync(getProfilesPath(env)).mode & 0o777).toBe(0o600);
  expect((await _runCommand("profiles list --json", { env })).json).toEqual({
    items: [
      { name: "prod", url: "https://jobs.example.org", keyId: "abc", current: true },
      { name: "test", url: "http://test.example.org", keyId: null, current: false },
    ],
  });
  expect((await _runCommand("profiles list", { env })).output).not.toContain("secret");
});

test("options come before variables, and variables before the current profile", () => {
  expect(find({})).toEqual({ url: "https://jobs.example.org", key: "toril_abc_secret" });
  expect(find({ profile: "test" })).toEqual({ url: "http://test.example.org", key: undefined });
  expect(find({}, { TORIL_PROFILE: "test" }).url).toBe("http://test.example.org");
  expect(find({}, { TORIL_KEY: "k" })).toEqual({ url: "https://jobs.example.org", key: "k" });
  expect(find({ key: "o" }, { TORIL_KEY: "k" }).key).toBe("o");
});

test("the key of a profile is not sent to another address", () => {
  expect(find({ url: "http://other" })).toEqual({ url: "http://other", key: undefined });
  expect(find({}, { TORIL_URL: "http://other" })).toEqual({ url: "http://other", key: undefined });
});

test("a profile that moves to another address loses its key", async () => {
  await _runCommand("profiles set prod --url https://elsewhere.example.org", { env });
  expect(find({}).key).toBeUndefined();
});

test("the current profile can be changed and removed", async () => {
  await _runCommand("profiles use test", { env });
  expect(find({}).url).toBe("http://test.example.org");
  await _runCommand("profiles remove test", { env });
  expect(find({}).url).toBe("http://127.0.0.1:3000");
  expect((await _runCommand("profiles use test", { env })).code).toBe(2);
});

test("a file that is not a configuration is an error that names it", async () => {
  writeFileSync(getProfilesPath(env), "{");
  const { code, errors } = await _runCommand("profiles list", { env });
  expect(code).toBe(1);
  expect(errors).toContain("config.json");
});
