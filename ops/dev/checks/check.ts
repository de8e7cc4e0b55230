import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";

interface Step {
  name: string;
  command: readonly [string, ...string[]];
  /** Threads of a Go program that derives the types again on each of its threads. */
  threads?: string;
}

/** All sources and tests in one program: each file is checked once. The others check sources without Bun's types. */
const projects = [
  "tsconfig.json",
  "consumer/tsconfig.src.json",
  "loadtest/tsconfig.k6.json",
  "producer/console/tsconfig.json",
];

/** Every checker derives the types of its imports again: on two cores, one takes half the CPU time of four. */
const checkers = String(Math.ceil(availableParallelism() / 2));

// Slow steps first, so that quick ones fill the gaps.
const steps: Step[] = [
  { name: "lint", command: ["oxlint", "--type-aware", "--deny-warnings"], threads: checkers },
  ...projects.map(typeCheck),
  { name: "unused code", command: ["knip"] },
  { name: "openapi.yaml", command: ["bun", "contract/scripts/write-openapi.ts", "--check"] },
  {
    name: "types of @toril/client",
    command: ["bun", "contract/scripts/write-client-types.ts", "--check"],
  },
  { name: "compatibility", command: ["bun", "ops/dev/checks/check-compatibility.ts"] },
  { name: "openapi.yaml (Redocly lint)", command: ["bun", "ops/dev/checks/lint-openapi.ts"] },
  { name: "dashboards", command: ["bun", "ops/grafana/write-dashboards.ts", "--check"] },
  { name: "migrations", command: ["bun", "contract/scripts/check-migrations.ts"] },
  {
    name: "ops/configuration.md",
    command: ["bun", "ops/dev/checks/write-configuration.ts", "--check"],
  },
  { name: "advisories", command: ["bun", "ops/dev/checks/check-advisories.ts"] },
  { name: "format", command: ["oxfmt", "--check"] },
];

function typeCheck(project: string): Step {
  const cache = `node_modules/.cache/tsc/${project.replaceAll("/", "-")}`;
  const incremental = ["--incremental", "--tsBuildInfoFile", cache];
  return {
    name: `types of ${project}`,
    command: ["tsc", "-p", project, "--checkers", checkers, ...incremental],
  };
}

/** The compiler and the linter are Go programs that end soon: below 2 GiB, collecting garbage only takes time. */
const env = { ...process.env, GOGC: "off", GOMEMLIMIT: "2GiB" };

/** Runs a step and prints its output if it fails. Returns whether it succeeded. */
function run({ name, command: [program, ...args], threads }: Step): Promise<boolean> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const limited = threads === undefined ? env : { ...env, GOMAXPROCS: threads };
    const child = spawn(program, args, { env: limited, stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
    child.once("error", (error) => output.push(Buffer.from(error.message)));
    child.once("close", (code) => {
      const took = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
      console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${took})`);
      const text = Buffer.concat(output).toString().trim();
      if (code !== 0) console.log(`\n${text}\n`);
      else if (text.startsWith("note: ")) console.log(`       ${text}`);
      resolve(code === 0);
    });
  });
}

const waiting = [...steps];
const results: boolean[] = [];

async function work(): Promise<void> {
  for (let step = waiting.shift(); step; step = waiting.shift()) results.push(await run(step));
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
process.exitCode = results.every(Boolean) ? 0 : 1;
