import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Import } from "@toril/client";

import { runProgram } from "../../ops/dev/run-program.ts";
import { readMemory } from "../compare/memory.ts";
import { formatNumber, formatTable } from "../compare/report/format.ts";
import { median } from "../compare/report/statistics.ts";
import { type ImportStack, startImportStack } from "./stack.ts";

const usage = `bun loadtest/imports/memory.ts [options]

  --form NAME       parts (toril import of standard input), or request (one request that streams the file) (parts)
  --megabytes N     size of the generated file (2000)
  --row-bytes N     size of a row, most of it a column that is no field (8000)
  --warm-up N       size in MB of a first import, whose memory is the baseline (200)
  --producers N     producers behind Caddy (2)
  --max-growth N    MB by which the median of a process may exceed the baseline in the last quarter (64)
`;

const root = fileURLToPath(new URL("../../", import.meta.url));
const sampleMs = 500;

interface Options {
  form: "parts" | "request";
  bytes: number;
  warmUpBytes: number;
  rowBytes: number;
  producers: number;
  maxGrowthMb: number;
}

interface Sample {
  /** Share of the file that was generated. */
  share: number;
  /** Resident memory in megabytes, by process. */
  rssMb: ReadonlyMap<string, number>;
}

/** Imports two files that are generated while they are sent, and compares the memory of every process. */
async function run(options: Options, signal: AbortSignal): Promise<boolean> {
  const { form, bytes, warmUpBytes, producers } = options;
  const dir = mkdtempSync(join(tmpdir(), "toril-import-memory-"));
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  try {
    const settings = { root, dir, producers, consumers: 1, signal };
    await using stack = await startImportStack(settings);
    // The heap of a young process grows to its working size.
    const warmUp = await measureImport(stack, options, warmUpBytes);
    const { samples, seconds, rows } = await measureImport(stack, options, bytes);
    const megabytes = bytes / 1e6;
    console.log(
      `${form}, ${producers} producers: ${formatNumber(megabytes)} MB, ${formatNumber(rows)} rows in ${seconds.toFixed(1)} s: ${formatNumber(megabytes / seconds)} MB/s, ${formatNumber(rows / seconds)} rows/s`,
    );
    return report(warmUp.samples, samples, options.maxGrowthMb);
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Imports a file and samples the memory of every process until all rows are accepted. */
async function measureImport(
  stack: ImportStack,
  { form, rowBytes }: Options,
  bytes: number,
): Promise<{ samples: Sample[]; seconds: number; rows: number }> {
  const file = createFile(bytes, rowBytes);
  const samples: Sample[] = [];
  const client = form === "parts" ? sendParts(stack, file.stream) : sendRequest(stack, file);
  const timer = setInterval(() => {
    const pids = { ...namePids(stack), client: client.pid };
    const rssMb = Object.entries(pids).map(([name, pid]) => [name, tryRead(pid)] as const);
    samples.push({ share: file.generated() / bytes, rssMb: new Map(rssMb) });
  }, sampleMs);
  const startedAt = performance.now();
  const imported = await client.accepted.finally(() => clearInterval(timer));
  const seconds = (performance.now() - startedAt) / 1000;
  const { read, accepted } = imported.counts;
  if (read !== file.rows || accepted !== file.rows) {
    throw new Error(`${file.rows} rows were sent: ${JSON.stringify(imported.counts)}`);
  }
  return { samples, seconds, rows: read };
}

interface GeneratedFile {
  rows: number;
  stream: ReadableStream<Uint8Array>;
  generated(): number;
}

/** A CSV file whose rows differ. Jobs get the first column; the other one only has a size. */
function createFile(bytes: number, rowBytes: number): GeneratedFile {
  const encoder = new TextEncoder();
  const header = "message,padding\n";
  const rows = Math.ceil((bytes - header.length) / rowBytes);
  const digits = String(rows).length;
  const padding = "x".repeat(Math.max(1, rowBytes - digits - 2));
  const rowsPerPiece = Math.max(1, Math.floor(256_000 / rowBytes));
  let generated = 0;
  let next = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        let text = generated === 0 ? header : "";
        for (const end = Math.min(rows, next + rowsPerPiece); next < end; next += 1) {
          text += `${String(next).padStart(digits, "0")},${padding}\n`;
        }
        const piece = encoder.encode(text);
        generated += piece.length;
        controller.enqueue(piece);
        if (next === rows) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return { rows, stream, generated: () => generated };
}

interface Client {
  pid: number;
  /** Resolves when all rows are accepted. */
  accepted: Promise<Import>;
}

function sendParts({ url, dir }: ImportStack, stream: ReadableStream<Uint8Array>): Client {
  const command = [process.execPath, join(root, "ops/cli/main.ts"), "import", "-"];
  const options = ["--type", "echo", "--unknown-columns", "ignore", "--parallel", "8"];
  const child = Bun.spawn([...command, ...options, "--no-wait", "--json"], {
    cwd: dir,
    env: { PATH: process.env["PATH"], TORIL_URL: url, HOME: dir },
    stdio: [stream, "pipe", "inherit"],
  });
  const accepted = async () => {
    const [code, output] = await Promise.all([child.exited, child.stdout.text()]);
    if (code !== 0) throw new Error(`toril import ended with ${code}`);
    return JSON.parse(output) as Import;
  };
  return { pid: child.pid, accepted: accepted() };
}

function sendRequest({ url }: ImportStack, { stream }: GeneratedFile): Client {
  const accepted = async () => {
    const address = `${url}/v1/imports?type=echo&unknownColumns=ignore`;
    const headers = { "Content-Type": "text/csv" };
    const response = await fetch(address, { method: "POST", headers, body: stream });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as Import;
  };
  return { pid: process.pid, accepted: accepted() };
}

function namePids({ producers, consumers, stores }: ImportStack): Record<string, number> {
  const name = (kind: string) => (app: { pid: number }, index: number) =>
    [`${kind} ${index + 1}`, app.pid] as const;
  return Object.fromEntries([
    ...producers.map(name("producer")),
    ...consumers.map(name("consumer")),
    ["redis", stores.redisPid],
  ]);
}

/** A process that has just ended has no memory. */
function tryRead(pid: number): number {
  try {
    return readMemory(pid).rssMb;
  } catch {
    return 0;
  }
}

/**
 * Prints the median memory in the second half of the warm-up and in each quarter of the file. Returns false if a process
 * other than Redis grew. A median, because a peak depends on when the garbage collector runs.
 */
function report(
  warmUp: readonly Sample[],
  samples: readonly Sample[],
  maxGrowthMb: number,
): boolean {
  const names = [...(samples[0]?.rssMb.keys() ?? [])];
  const rows = names.map((name) => {
    const baseline = medianRss(name, warmUp, 0.5, 1);
    const medians = [0, 0.25, 0.5, 0.75].map((from) => medianRss(name, samples, from, from + 0.25));
    const growth = (medians[3] ?? NaN) - baseline;
    const peak = Math.max(...samples.map(({ rssMb }) => rssMb.get(name) ?? 0));
    return { name, cells: [baseline, ...medians, growth, peak], growth };
  });
  const head = ["median RSS in MB, by quarter", "warm-up", "1", "2", "3", "4", "growth", "peak"];
  console.log(
    formatTable(
      head,
      rows.map(({ name, cells }) => [name, ...cells.map(formatNumber)]),
    ),
  );
  // Redis holds the jobs that wait for the consumer.
  const grown = rows.filter(({ name, growth }) => name !== "redis" && growth > maxGrowthMb);
  for (const { name } of grown) console.error(`${name} grew by more than ${maxGrowthMb} MB`);
  return grown.length === 0;
}

/** Returns the median memory of a process from one share of the file to another. */
function medianRss(name: string, samples: readonly Sample[], from: number, to: number): number {
  const values = samples
    .filter(({ share }) => share >= from && (share < to || to === 1))
    .map(({ rssMb }) => rssMb.get(name) ?? 0);
  if (values.length > 0) return median(values);
  throw new Error("the file or the warm-up is too small: no memory was sampled in a part of it");
}

function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      form: { type: "string", default: "parts" },
      megabytes: { type: "string", default: "2000" },
      "row-bytes": { type: "string", default: "8000" },
      "warm-up": { type: "string", default: "200" },
      producers: { type: "string", default: "2" },
      "max-growth": { type: "string", default: "64" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { form } = values;
  if (form !== "parts" && form !== "request") throw new Error(`--form must be parts or request`);
  const count = (name: "megabytes" | "row-bytes" | "warm-up" | "producers" | "max-growth") => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value > 0) return value;
    throw new Error(`--${name} must be a whole number above 0, not ${values[name]}`);
  };
  return {
    form,
    bytes: count("megabytes") * 1e6,
    warmUpBytes: count("warm-up") * 1e6,
    rowBytes: count("row-bytes"),
    producers: count("producers"),
    maxGrowthMb: count("max-growth"),
  };
}

await runProgram({
  usage,
  parse: parseOptions,
  run: (options, { signal }) => run(options, signal),
});
