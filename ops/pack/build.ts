import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import ops from "../package.json" with { type: "json" };
import project from "../../package.json" with { type: "json" };
import { toPublished } from "./manifest.ts";
import { getEntries, type Package, packages, root } from "./packages.ts";

/** Builds the packages into `dir`, one folder each, and returns the folders. */
export function buildPackages(dir: string, repository?: string): string[] {
  const compiled = join(dir, "compiled");
  compile(compiled, dir);
  return packages.map((one) => {
    const into = join(dir, one.manifest.name.replace("@", "").replace("/", "-"));
    buildPackage(one, compiled, into, repository);
    return into;
  });
}

/** One program for all packages: a file is compiled once, whichever packages import it. */
function compile(outDir: string, dir: string): void {
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      // `bun run check` does.
      noCheck: true,
      declaration: true,
      sourceMap: true,
      inlineSources: true,
      rewriteRelativeImportExtensions: true,
      // Without `using`, which Node 20 and 22 cannot parse.
      target: "ES2023",
      types: ["bun", "node"],
      typeRoots: [join(root, "consumer/node_modules/@types")],
      rootDir: root,
      outDir,
    },
    include: [],
    files: packages.flatMap(getEntries).map((path) => join(root, path)),
  };
  const path = join(dir, "tsconfig.json");
  writeFileSync(path, JSON.stringify(config));
  let missing: string[] = [];
  for (let tries = 0; tries < 3; tries += 1) {
    // Checks nothing: further checkers would only derive the same types again.
    run(join(root, "node_modules/.bin/tsc"), ["-p", path, "--checkers", "1"], root);
    // The compiler has left out an imported file without an error, on a busy machine.
    missing = findMissingImports(outDir);
    if (missing.length === 0) return;
  }
  throw new Error(`The compiler wrote no ${missing.join(", ")}.`);
}

/** Returns the modules that compiled modules import by a relative path and that do not exist. */
function findMissingImports(dir: string): string[] {
  const imported = new Set<string>();
  for (const path of globSync("**/*.js", { cwd: dir })) {
    const text = readFileSync(join(dir, path), "utf8");
    for (const [, target = ""] of text.matchAll(
      /^(?:import|export)\b[^;]*? from "(\.[^"]+\.js)";$/gm,
    )) {
      imported.add(join(dirname(path), target));
    }
  }
  return [...imported].filter((path) => !existsSync(join(dir, path)));
}

/** Versions of `catalog:`: those that the repository uses. */
const versions: Readonly<Record<string, string>> = {
  ...project.devDependencies,
  ...ops.dependencies,
  ...project.workspaces.catalog,
};

function isAsset(path: string): boolean {
  return !path.includes("node_modules") && statSync(join(root, path)).isFile();
}

function buildPackage(
  one: Package,
  compiled: string,
  into: string,
  repository: string | undefined,
): void {
  const from = join(compiled, one.sources);
  for (const path of globSync("**/*.{js,d.ts,map}", { cwd: from })) {
    // The client is a package of its own within the folder of the contract.
    copy(join(from, path), join(into, "dist", path));
  }
  const pattern = "{*.lua,migrations/**/*.{sql,json},template/**/*}";
  const assets = globSync(`${one.sources}/**/${pattern}`, { cwd: root });
  for (const path of assets.filter((path) => isAsset(path))) {
    copy(join(root, path), join(into, "dist", relative(one.sources, path)));
  }
  const manifest = toPublished(one, versions, repository);
  writeFileSync(join(into, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  copy(join(root, "LICENSE"), join(into, "LICENSE"));
  const readme = readFileSync(join(root, one.readme), "utf8");
  // Links lead to files that the package does not contain.
  writeFileSync(join(into, "README.md"), readme.replaceAll(/\[([^\]]*)\]\((?!http)[^)]*\)/g, "$1"));
  for (const program of Object.values(manifest.bin ?? {})) {
    const path = join(into, program);
    writeFileSync(path, `#!/usr/bin/env node\n${readFileSync(path, "utf8")}`, { mode: 0o755 });
  }
  if (one.folder === "contract") includeDriver(into);
  if (one.folder === "producer") {
    const assets = join(into, "dist/console/console-assets");
    run(process.execPath, ["producer/scripts/build-console.ts", assets], root);
  }
}

/** Copies postgres.js as it is patched here, and makes `driver.js` import the copy. */
function includeDriver(into: string): void {
  const driver = join(into, "dist/engine/postgres/driver.js");
  const text = readFileSync(driver, "utf8");
  const importing = 'from "postgres"';
  if (text.split(importing).length !== 2)
    throw new Error("driver.js does not import postgres once");
  writeFileSync(driver, text.replace(importing, 'from "../../vendor/postgres/index.js"'));
  const entry = createRequire(join(root, "contract/package.json")).resolve("postgres/package.json");
  const vendor = join(into, "dist/vendor/postgres");
  cpSync(join(dirname(entry), "src"), vendor, { recursive: true });
  const { name, version, license, author, homepage } = JSON.parse(
    readFileSync(entry, "utf8"),
  ) as Record<string, string>;
  writeFileSync(
    join(vendor, "NOTICE"),
    `${name} ${version} by ${author}, ${homepage}, license: ${license}.\nWith the change of porsager/postgres#1154: a connection that breaks inside a transaction does not end the process.\n`,
  );
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}

export function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed:\n${stdout}${stderr}`);
  return stdout;
}
