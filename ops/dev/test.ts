import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { constants, freemem, tmpdir } from "node:os";
import { join } from "node:path";

import { type ProblemKind, problemKinds, problemType } from "@toril/contract/api/problem";

import { migrateDatabase } from "./stores/migrate-database.ts";
import { startPostgres } from "./stores/postgres.ts";
import { startRedis } from "./stores/redis.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs all tests, or the given files, on a private Redis and Postgres. */
async function main(args: readonly string[]): Promise<number> {
  const temporary = findTemporaryFolder();
  const dir = mkdtempSync(join(temporary, "toril-test-"));
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  try {
    await using redis = await startRedis({ dir: join(dir, "redis") });
    const template = await createTemplate(join(dir, "template"));
    const settings = { fsync: "off" };
    await using postgres = await startPostgres({ dir: join(dir, "postgres"), template, settings });
    const server = new URL(postgres.url);
    const ledger = server.pathname.slice(1);
    // No session may be connected to a database that is copied.
    server.pathname = "/postgres";
    const report = join(dir, "report.xml");
    const problems = join(dir, "problems.txt");
    const programs = join(dir, "programs");
    const bundling = spawnSync(
      process.execPath,
      [join(import.meta.dirname, "../docker/bundle.ts"), programs],
      { stdio: "inherit" },
    );
    if (bundling.status !== 0) throw new Error("the programs of the stacks cannot be bundled");
    writeFileSync(problems, "");
    const env = {
      ...testEnv(process.env),
      TEST_REDIS_URL: redis.url,
      TEST_DATABASE_URL: server.href,
      TEST_LEDGER_TEMPLATE: ledger,
      TEST_POSTGRES_TEMPLATE: template,
      TEST_PROBLEMS_FILE: problems,
      TEST_PROGRAMS: programs,
      TMPDIR: temporary,
    };
    const first = await runTests(args, report, env);
    const failures = parseFailures(first.xml);
    for (const { text } of failures) console.error(text);
    const files = [...new Set(failures.map(({ file }) => file))];
    // Anything else that failed did so outside of a test.
    const areListed = failures.length > 0 && failures.length === first.counts.failed;
    const isRepeated =
      process.env["CI"] === "true" && areListed && files.length <= maxRepeatedFiles;
    const last = isRepeated ? await runTests(files, report, env) : first;
    const { code, counts } = last;
    const { failed } = counts;
    const skipped = first.counts.skipped;
    const passed = first.counts.passed + first.counts.failed - failed;
    if (isRepeated) console.log(`failed at first, then repeated: ${files.join(", ")}`);
    if (skipped > 0) console.log(`${skipped} skipped`);
    const untested = args.length === 0 ? findUntestedProblems(readFileSync(problems, "utf8")) : [];
    if (untested.length > 0)
      console.error(`No test received the problem types: ${untested.join(", ")}`);
    // A run that crashed before its report is a failure too.
    const broken = failed === 0 && (code !== 0 || untested.length > 0) ? 1 : 0;
    console.log(`${passed} passed, ${failed + broken} failed`);
    return untested.length > 0 ? 1 : code;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * On CI, files with failed tests run once more, alone and on new databases. A file that passes then is a fault of the
 * test or of the product that load uncovers: the run lists it.
 */
const maxRepeatedFiles = 3;

const neededBytes = 8 * 2 ** 30;

/** In memory if possible: the tests create and delete 200,000 files, most of them of Postgres. */
function findTemporaryFolder(): string {
  const memory = "/dev/shm";
  const mounts = existsSync("/proc/self/mounts") ? readFileSync("/proc/self/mounts", "utf8") : "";
  const options = new RegExp(`^\\S+ ${memory} tmpfs (\\S+)`, "m").exec(mounts)?.[1]?.split(",");
  if (!options?.includes("rw") || options.includes("noexec")) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return Math.min(bavail * bsize, freemem()) < neededBytes ? tmpdir() : memory;
}

/** Initializes and migrates a Postgres once; the tests copy its data directory and its database. */
async function createTemplate(dir: string): Promise<string> {
  await using postgres = await startPostgres({ dir });
  await migrateDatabase(postgres.url);
  // Checking the password took a quarter of the CPU time of each connection.
  writeFileSync(join(dir, "data/pg_hba.conf"), "host all all 127.0.0.1/32 trust\n");
  return dir;
}

const hidden = new Set([
  // The developer's own stores: tests flush and break their stores.
  "REDIS_URL",
  "DATABASE_URL",
  // Set by --no-orphans: tests kill processes, whose children must behave as in production.
  "BUN_FEATURE_FLAG_NO_ORPHANS",
]);

function testEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.has(name)));
}

interface TestRun {
  code: number;
  xml: string;
  counts: ReturnType<typeof parseCounts>;
}

function runTests(args: readonly string[], report: string, env: NodeJS.ProcessEnv) {
  const flags = [
    "--parallel=4",
    // Each file would load all modules again, which took a tenth of the CPU time of all tests.
    "--no-isolate",
    // The slowest files start first.
    `--timings=${join(import.meta.dirname, "test-timings.json")}`,
    "--timeout=180000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
  ];
  rmSync(report, { force: true });
  const tests = spawn(process.execPath, ["test", ...flags, ...args], { env, stdio: "inherit" });
  for (const signal of signals) process.on(signal, () => tests.kill(signal));
  return new Promise<TestRun>((resolve, reject) => {
    tests.once("error", reject);
    tests.once("close", (code, signal) => {
      const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
      resolve({
        code: code ?? 128 + constants.signals[signal ?? "SIGTERM"],
        xml,
        counts: parseCounts(xml),
      });
    });
  });
}

/** Problem types that no test received: the contract declares none that cannot happen. */
function findUntestedProblems(received: string): string[] {
  const types = new Set(received.split("\n"));
  return Object.keys(problemKinds).filter((kind) => !types.has(problemType(kind as ProblemKind)));
}

/** Lists the failures again at the end of the long output. */
function parseFailures(xml: string): { file: string; text: string }[] {
  const cases = xml.matchAll(
    /<testcase name="([^"]*)"[^>]* file="([^"]*)"[^>]*>\s*<failure[^>]*>([^<]*)/g,
  );
  return Array.from(cases, ([, name, file = "", text]) => ({
    file,
    text: decode(`\n(fail) ${file}: ${name}\n${text}`).slice(0, 4000),
  }));
}

const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function decode(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|(\w+));/g, (whole, code?: string, name = "") =>
    code ? String.fromCodePoint(Number(code)) : (entities[name] ?? whole),
  );
}

function parseCounts(xml: string): { passed: number; failed: number; skipped: number } {
  const total = /<testsuites[^>]*>/.exec(xml)?.[0] ?? "";
  const read = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(total)?.[1] ?? 0);
  const [failed, skipped] = [read("failures") + read("errors"), read("skipped")];
  return { passed: read("tests") - failed - skipped, failed, skipped };
}

process.exitCode = await main(process.argv.slice(2));
