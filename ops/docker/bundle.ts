import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const ledger = join(root, "contract/src/engine/postgres");
const feedThread = "contract/src/engine/feeds/feed-thread.ts";

/** Writes what the images run into `outDir`: per program one file, beside it what it reads when it runs. */
async function bundleAll(outDir: string): Promise<void> {
  const producer = join(outDir, "producer");
  await bundle("bun", producer, {
    main: "producer/src/main.ts",
    "feed-thread": feedThread,
    "xlsx-thread": "producer/src/imports/formats/xlsx/xlsx-thread.ts",
    toril: "ops/cli/main.ts",
  });
  copyScripts("{contract,producer}/src/**/*.lua", producer);
  buildConsole(join(producer, "console-assets"));
  const fromProducer = createRequire(join(root, "producer/src/main.ts"));
  const fromBoard = createRequire(fromProducer.resolve("@bull-board/api"));
  copyPackage(fromBoard, "@bull-board/ui", producer, ["dist"]);
  copyPackage(fromProducer, "@scalar/api-reference", producer, [
    "dist/index.js",
    "dist/browser/standalone.js",
  ]);

  const consumer = join(outDir, "consumer");
  await bundle("node", consumer, {
    main: "consumer/src/main.ts",
    "feed-thread": feedThread,
    "sandbox-host": "consumer/src/sandbox-host.ts",
    "sandbox-thread": "consumer/src/sandbox-thread.ts",
    migrate: "ops/dev/migrate.ts",
  });
  copyScripts("{contract,consumer}/src/**/*.lua", consumer);
  cpSync(join(ledger, "migrations"), join(consumer, "migrations"), { recursive: true });
}

function buildConsole(into: string) {
  const command = [process.execPath, "producer/scripts/build-console.ts", into];
  const { success, stderr } = Bun.spawnSync(command, { cwd: root });
  if (!success) throw new Error(`the console cannot be built: ${stderr.toString()}`);
}

async function bundle(
  target: "bun" | "node",
  outdir: string,
  entries: Readonly<Record<string, string>>,
) {
  for (const [name, path] of Object.entries(entries)) {
    await Bun.build({
      entrypoints: [join(root, path)],
      target,
      outdir,
      // Optional, and only ever loaded on that company's servers.
      external: ["pg-cloudflare"],
      naming: `${name}.js`,
      // Bull Board asks for its pages by an `eval` of `require`.
      banner: target === "bun" ? "const require = import.meta.require;" : "",
      // Names stay: they are what a stack trace tells.
      minify: { whitespace: true, syntax: true, identifiers: false },
    });
    toAscii(join(outdir, `${name}.js`));
  }
}

/** V8 keeps a source with one character beyond Latin-1 at two bytes for each. */
function toAscii(file: string) {
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(/[\u0080-\uffff]/g, escape));
}

/** Scripts for Redis are read from beside the module that sends them, which now is the program. */
function copyScripts(pattern: string, into: string) {
  for (const path of new Bun.Glob(pattern).scanSync(root)) {
    cpSync(join(root, path), join(into, basename(path)));
  }
}

/** Static files that are served keep their path in node_modules. */
function copyPackage(require: NodeJS.Require, name: string, into: string, paths: string[]) {
  const manifest = require.resolve(`${name}/package.json`);
  for (const path of ["package.json", ...paths]) {
    const to = join(into, "node_modules", name, path);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(dirname(manifest), path), to, { recursive: true });
  }
}

await bundleAll(process.argv[2] ?? join(root, "dist"));
