// Plain JavaScript for any installed Node: no dependency is installed yet when this runs.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const bun = join(root, "node_modules/.bin/bun");
const stamp = join(root, "node_modules/.installed");
const path = join(root, "node_modules/.bin") + delimiter + process.env.PATH;

// --no-orphans: no process survives a test run. `start` finds leftover processes by its lock file instead.
const tasks = {
  install: undefined,
  start: [join(root, "ops/dev/start.ts")],
  test: ["--no-orphans", join(root, "ops/dev/test.ts")],
};

/** Runs a command in this terminal and forwards signals. */
function run(command, args, cwd = process.cwd()) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      stdio: "inherit",
      env: { ...process.env, PATH: path },
    });
    const pass = (signal) => child.kill(signal);
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, pass);
    const npm = process.ppid;
    const watch = setInterval(() => {
      if (!process.env.npm_lifecycle_event || process.ppid === npm) return;
      // A killed npm cannot forward the signal.
      clearInterval(watch);
      child.kill("SIGTERM");
    }, 500);
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearInterval(watch);
      for (const name of signals) process.off(name, pass);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

async function mustRun(command, args, cwd) {
  const code = await run(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with exit code ${code}`);
}

function readManifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

/** Hash of the platform, the lock file and all manifests. */
function fingerprint() {
  const hash = createHash("sha256").update(process.platform + process.arch);
  const packages = readManifest().workspaces.packages;
  const files = ["bun.lock", "bunfig.toml", "package.json"];
  for (const file of [...files, ...packages.map((name) => `${name}/package.json`)]) {
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

function isInstalled() {
  const names = [bun, join(root, "node_modules/.bin/node"), stamp];
  return names.every((name) => existsSync(name)) && readFileSync(stamp, "utf8") === fingerprint();
}

function works(command) {
  return spawnSync(command, ["--version"]).status === 0;
}

/** npm cannot install this project (`catalog:`, `workspace:`), but it can install Bun, which does. */
async function fetchBun() {
  const version = readManifest().devDependencies.bun;
  const folder = join(root, ".toril/bootstrap");
  const fetched = join(folder, "node_modules/.bin/bun");
  if (works(fetched)) return fetched;
  console.log(`Fetching Bun ${version} with npm ...`);
  const quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
  await mustRun("npm", ["install", "--prefix", folder, `bun@${version}`, ...quiet]);
  // If npm blocks install scripts, the package lacks the binary.
  if (!works(fetched)) {
    await mustRun(process.execPath, ["install.js"], join(folder, "node_modules/bun"));
  }
  return fetched;
}

async function install() {
  if (isInstalled()) return;
  const installer = works(bun) ? bun : await fetchBun();
  console.log("Installing the dependencies ...");
  await mustRun(installer, ["install", "--frozen-lockfile"], root);
  writeFileSync(stamp, fingerprint());
  rmSync(join(root, ".toril/bootstrap"), { recursive: true, force: true });
}

const [task = "start", ...args] = process.argv.slice(2);
if (!Object.hasOwn(tasks, task)) {
  console.error(`No task "${task}": ${Object.keys(tasks).join(", ")}`);
  process.exit(2);
}
try {
  await install();
} catch (error) {
  console.error(`Could not install the dependencies: ${error.message}`);
  process.exit(1);
}
if (tasks[task]) process.exitCode = await run(bun, [...tasks[task], ...args]);
