import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { createRegistry, defineJob } from "@toril/contract";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { publint } from "publint";
import { z } from "zod";
import project from "../../package.json" with { type: "json" };
import { freePort } from "../dev/processes/ports.ts";
import { until } from "../dev/until.ts";
import { _startOwnService } from "./_own-service.ts";
import { root } from "./_stack.ts";

const bin = join(root, "node_modules/.bin");
const names = ["toril-client", "toril-contract", "toril-producer", "toril-consumer", "toril"];
const getFile = (name: string) => `${name}-${project.version}.tgz`;

/** Whether all entries, package managers and versions of Node are checked, which takes minutes. */
const isFull = process.env["PACKAGES"] === "all";
/** An installation may have to download packages. */
const installMs = isFull ? 1_800_000 : 600_000;

let dir: string;
let dist: string;
/** Further versions of Node. */
const nodes: string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "toril-packages-"));
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  dist = join(dir, "dist");
  mkdirSync(join(dir, "bin"));
  symlinkSync(join(bin, "node"), join(dir, "bin/node"));
  await run(root, [process.execPath, "ops/pack/pack.ts", dist]);
  if (isFull) await Promise.all(["20", "22"].map(installNode));
}, installMs);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function getUserEnv() {
  const path = [join(dir, "bin"), ...getSystemPath()].join(delimiter);
  return { ...process.env, PATH: path, NODE_PATH: "" };
}

/** Runs a program with the PATH of a user, without the programs of this repository; `node` is Node 24. */
async function run(
  cwd: string,
  command: string[],
  variables: Record<string, string> = {},
): Promise<string> {
  const env = { ...getUserEnv(), ...variables };
  const child = Bun.spawn(command, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output}${errors}`);
  return output;
}

function getSystemPath(): string[] {
  return (process.env["PATH"] ?? "").split(delimiter).filter((one) => !one.startsWith(root));
}

async function installNode(version: string) {
  const folder = join(dir, `node-${version}`);
  mkdirSync(folder);
  await run(folder, ["npm", "install", "--no-audit", "--no-fund", `node@${version}`]);
  nodes.push(join(folder, "node_modules/node/bin/node"));
}

/** The runtimes that are available: Bun, Node 24 of this repository, and the Node of the system. */
function getRuntimes(): string[] {
  const system = getSystemPath().map((folder) => join(folder, "node"));
  const found = system.find((path) => Bun.which(path) !== null);
  return [process.execPath, join(bin, "node"), ...nodes, ...(found === undefined ? [] : [found])];
}

/** Creates an empty project that depends on packages, by their tarballs. */
function createProject(name: string, packages: readonly string[]): string {
  const folder = join(dir, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const dependencies = Object.fromEntries([
    ...packages.map((one) => [
      one.replace("toril-", "@toril/"),
      `file:${join(dist, getFile(one))}`,
    ]),
    ["zod", project.workspaces.catalog.zod],
  ]);
  const manifest = { name, private: true, type: "module", dependencies };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  return folder;
}

/** Writes the examples of a page; the first line of each is the path of its file. */
function writeExamples(folder: string, path: string): string[] {
  const page = readFileSync(join(root, path), "utf8");
  const examples = page.matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs);
  return Array.from(examples, ([, file = "", text = ""]) => {
    writeFileSync(join(folder, file), text);
    return file;
  });
}

/** Compiles all files of the folder into `dist-...`, and checks the declarations of the packages if it does so for Node. */
async function compile(folder: string, module: "nodenext" | "esnext") {
  const compilerOptions = {
    module,
    moduleResolution: module === "esnext" ? "bundler" : module,
    target: "es2023",
    lib: ["es2023", "dom", "dom.iterable", "esnext.disposable"],
    types: [],
    strict: true,
    skipLibCheck: module === "esnext",
    exactOptionalPropertyTypes: true,
    rewriteRelativeImportExtensions: true,
    outDir: `dist-${module}`,
  };
  const config = { compilerOptions, include: ["*.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  await run(folder, [join(bin, "tsc"), "-p", ".", "--checkers", "1"]);
}

/** All entries of all packages are written by one rule; those of the contract are many. */
const entries = isFull ? {} : { entrypoints: ["."] };
const checkedNames = isFull ? names : ["toril-client", "toril"];

test.each(names)("publint reports nothing about %s", async (name) => {
  const { buffer } = new Uint8Array(readFileSync(join(dist, getFile(name))));
  const { messages } = await publint({ pack: { tarball: buffer }, strict: true });
  expect(messages).toEqual([]);
});

test.each(checkedNames)("arethetypeswrong reports nothing about %s", async (name) => {
  const bytes = new Uint8Array(readFileSync(join(dist, getFile(name))));
  const checked = await checkPackage(createPackageFromTarballData(bytes), entries);
  expect(checked.types).toEqual({ kind: "included" });
  const problems = "problems" in checked ? checked.problems : [];
  // The packages are ES modules only, and need a resolution that reads `exports`.
  const isOfOtherModules = (kind: string) => kind === "NoResolution" || kind === "CJSResolvesToESM";
  const others = problems.filter(
    (problem) =>
      !isOfOtherModules(problem.kind) ||
      !("resolutionKind" in problem) ||
      !["node10", "node16-cjs"].includes(problem.resolutionKind),
  );
  expect(others).toEqual([]);
});

test("the tarballs are exactly those of the packages", () => {
  expect(readdirSync(dist).toSorted()).toEqual(names.map(getFile).toSorted());
});

const sendEmail = defineJob({
  type: "email.send",
  queue: "mail",
  data: z.strictObject({ to: z.email(), text: z.string() }),
  result: z.strictObject({ messageId: z.string() }),
});

test(
  "installed elsewhere, the client and the contract type-check and run the examples of docs/client.md",
  async () => {
    await using service = await _startOwnService(createRegistry([sendEmail]), {
      "email.send": async ({ to }) => ({ messageId: `message to ${to}` }),
    });
    const folder = createProject("examples", ["toril-client", "toril-contract"]);
    await run(folder, [process.execPath, "install", "--ignore-scripts"]);
    const files = writeExamples(folder, "docs/client.md");
    expect(files).toEqual([
      "send-email.ts",
      "enqueue.ts",
      "browser.ts",
      "batch.ts",
      "import-workbook.ts",
    ]);
    for (const module of ["esnext", "nodenext"] as const) await compile(folder, module);
    const built = join(folder, "dist-nodenext");
    for (const file of readdirSync(built)) {
      const path = join(built, file);
      const text = readFileSync(path, "utf8");
      writeFileSync(path, text.replaceAll("http://localhost:3000", service.url.href));
    }
    for (const runtime of getRuntimes()) {
      const output = await run(built, [runtime, "enqueue.js"]);
      expect(output).toBe("sent as message to ada@example.org\n");
      expect(await run(built, [runtime, "batch.js"])).toBe("enqueued 1000\n");
      expect(await run(built, [runtime, "browser.js"])).toBe("");
    }
    expectPatchedDriver(folder);
  },
  installMs,
);

/** Package managers that install a project; all of them only on request, because npm takes long. */
const managers: Readonly<Record<string, readonly string[]>> = {
  bun: [process.execPath, "install", "--ignore-scripts"],
  ...(isFull && {
    npm: ["npm", "install", "--no-audit", "--no-fund"],
    pnpm: ["npm", "exec", "--yes", "pnpm@10", "--", "install"],
  }),
};

test.each(Object.keys(managers))(
  "a project made by toril init and installed with %s type-checks, and runs its own job",
  async (manager) => {
    const folder = join(dir, `own-jobs-${manager}`);
    await run(root, [process.execPath, "ops/cli/launch.ts", "init", folder, "--packages", dist]);
    await run(folder, managers[manager] as string[]);
    expect(writeExamples(folder, "docs/your-own-jobs.md")).toContain("toril.config.ts");
    await run(folder, [join(folder, "node_modules/.bin/tsc"), "--checkers", "1"]);
    const launcher = join(folder, "node_modules/toril/dist/cli/launch.js");
    for (const runtime of getRuntimes()) await run(folder, [runtime, launcher, "check"]);
    expect(await run(folder, ["node", "--test", "test/**/*.test.ts"])).toMatch(/pass 2\n/);

    await using dev = await startDev(folder);
    const enqueue = () =>
      run(folder, ["npm", "run", "--silent", "enqueue"], { TORIL_URL: dev.url });
    expect(await enqueue()).toMatch(/^{ messageId: 'mail-[0-9a-f-]{36}' }\n$/);
    const context = join(folder, "context.ts");
    writeFileSync(context, readFileSync(context, "utf8").replace("`mail-", "`letter-"));
    await dev.waitFor("\nReady: ");
    expect(await enqueue()).toContain("letter-");
  },
  installMs,
);

/** Starts `toril dev` and waits until it is ready. */
async function startDev(folder: string) {
  const port = await freePort();
  const command = [join(folder, "node_modules/.bin/toril"), "dev", "--port", String(port)];
  const child = Bun.spawn(command, {
    cwd: folder,
    env: getUserEnv(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) output += text;
  })();
  const dev = {
    url: `http://127.0.0.1:${port}`,
    waitFor: (text: string) =>
      until(
        text,
        async () => {
          if (child.exitCode !== null) throw new Error(`toril dev has ended:\n${output}`);
          return output.includes(text) || undefined;
        },
        { timeoutMs: 300_000 },
      ),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      await reading;
    },
  };
  await using opening = new AsyncDisposableStack();
  opening.use(dev);
  await dev.waitFor("Toril is ready");
  opening.move();
  return dev;
}

/** The patch of ops/patches holds in the package, too. */
function expectPatchedDriver(folder: string) {
  const contract = join(folder, "node_modules/@toril/contract/dist");
  expect(readFileSync(join(contract, "engine/postgres/driver.js"), "utf8")).toContain(
    'from "../../vendor/postgres/index.js"',
  );
  const patch = readFileSync(join(root, "ops/patches/postgres@3.4.9.patch"), "utf8");
  const [, ...files] = patch.split(/^diff --git a\/src\//m);
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const [name = ""] = file.split(" ");
    const vendored = readFileSync(join(contract, "vendor/postgres", name), "utf8");
    const added = Array.from(file.matchAll(/^\+(?!\+\+)(.+)$/gm), ([, line = ""]) => line);
    expect(added.filter((line) => !vendored.includes(line))).toEqual([]);
    expect(added.length).toBeGreaterThan(0);
  }
}
