import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Import } from "@toril/client";

import { runProgram } from "../../ops/dev/run-program.ts";
import { readMemory } from "../compare/memory.ts";
import { formatNumber, formatTable } from "../compare/report/format.ts";
import { type ImportStack, startImportStack } from "./stack.ts";

const usage = `bun loadtest/imports/memory.ts [options]

  --form NAME       parts (toril import of standard input), or request (one request that streams the file) (parts)
  --megabytes N     size of the generated file (2000)
  --row-bytes N     size of a row, most of it a column that is no field (8000)
  --producers N     producers behind Caddy (2)
  --max-growth N    megabytes by which a process may grow after the first quarter (64)
`;

const root = fileURLToPath(new URL("../../", import.meta.url));
const sampleMs = 500;

interface Options {
  form: "parts" | "request";
  bytes: number;
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

/** Imports a file that is generated while it is sent, and measures the memory of every process. */
async function run(options: Options, signal: AbortSignal): Promise<boolean> {
  const { form, bytes, rowBytes, producers } = options;
  const dir = mkdtempSync(join(tmpdir(), "toril-import-memory-"));
  // Postgres may have to run as another user.
  chmodSync(dir, 0o711);
  try {
    const settings = { root, dir, producers, consumers: 1, signal };
    await using stack = await startImportStack(settings);
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
    const megabytes = file.generated() / 1e6;
    console.log(
      `${form}, ${producers} producers: ${formatNumber(megabytes)} MB, ${formatNumber(read)} rows in ${seconds.toFixed(1)} s: ${formatNumber(megabytes / seconds)} MB/s, ${formatNumber(read / seconds)} rows/s`,
    );
    return report(samples, options.maxGrowthMb);
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
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

/** Prints the memory in each quarter of the file. Returns false if a process grew after the first one. */
function report(samples: readonly Sample[], maxGrowthMb: number): boolean {
  const names = [...(samples[0]?.rssMb.keys() ?? [])];
  const peak = (name: string, quarter: number) => {
    const of = samples.filter(({ share }) => Math.min(3, Math.floor(share * 4)) === quarter);
    return Math.max(...of.map(({ rssMb }) => rssMb.get(name) ?? 0));
  };
  const rows = names.map((name) => {
    const peaks = [0, 1, 2, 3].map((quarter) => peak(name, quarter));
    return { name, peaks, growth: (peaks[3] ?? 0) - (peaks[0] ?? 0) };
  });
  const head = ["peak RSS in MB, by quarter of the file", "1", "2", "3", "4", "growth"];
  console.log(
    formatTable(
      head,
      rows.map(({ name, peaks, growth }) => [name, ...[...peaks, growth].map(formatNumber)]),
    ),
  );
  const grown = rows.filter(({ growth }) => growth > maxGrowthMb);
  for (const { name } of grown) console.error(`${name} grew by more than ${maxGrowthMb} MB`);
  return grown.length === 0;
}

function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      form: { type: "string", default: "parts" },
      megabytes: { type: "string", default: "2000" },
      "row-bytes": { type: "string", default: "8000" },
      producers: { type: "string", default: "2" },
      "max-growth": { type: "string", default: "64" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { form } = values;
  if (form !== "parts" && form !== "request") throw new Error(`--form must be parts or request`);
  const count = (name: "megabytes" | "row-bytes" | "producers" | "max-growth") => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value > 0) return value;
    throw new Error(`--${name} must be a whole number above 0, not ${values[name]}`);
  };
  return {
    form,
    bytes: count("megabytes") * 1e6,
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
