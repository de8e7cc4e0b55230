import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createClient, type Import } from "@toril/client";

import { runProgram } from "../../ops/dev/run-program.ts";
import { type CpuUse, measureCpu, processNames } from "../compare/measure.ts";
import { readMemory } from "../compare/memory.ts";
import { formatNumber, formatTable } from "../compare/report/format.ts";
import { type ImportStack, startImportStack } from "./stack.ts";

const usage = `bun loadtest/imports/throughput.ts [options]

  --producers N,N   producers, one stack after another (1,2,4)
  --parallel N      parts that are sent at the same time, 0: the file in one request (8)
  --megabytes N     size of the file (200)
  --row-bytes N     size of a row (200)
  --rounds N        imports that are measured, after one that warms up (1)
`;

const root = fileURLToPath(new URL("../../", import.meta.url));
const columns = ["zip_code", "city", "county", "note"];
/** With the header, a part has at most 8 MB. */
const partBytes = 7_990_000;
const sampleMs = 250;

interface Options {
  producers: number[];
  parallel: number;
  bytes: number;
  rowBytes: number;
  rounds: number;
}

/** Imports files in parallel parts, without consumers, and measures the rate and the CPU time of every process. */
async function run(options: Options, signal: AbortSignal): Promise<boolean> {
  const { bytes, rowBytes, rounds, parallel } = options;
  const parts = createParts(bytes, rowBytes);
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const warmUp = parts.slice(0, Math.max(1, Math.ceil(parts.length / 5)));
  const table: string[][] = [];
  for (const producers of options.producers) {
    const dir = mkdtempSync(join(tmpdir(), "toril-import-throughput-"));
    // Postgres may have to run as another user.
    chmodSync(dir, 0o711);
    try {
      await using stack = await startImportStack({ root, dir, producers, consumers: 0, signal });
      await send(stack, warmUp, parallel);
      for (let round = 0; round < rounds; round += 1) {
        await stack.stores.tidy();
        const { seconds, use, clientUs, peakMb } = await measure(stack, parts, { parallel, rows });
        const us = (name: keyof CpuUse["cpuUs"]) => formatNumber(use.cpuUs[name] / rows);
        const service = processNames.reduce((sum, name) => sum + use.cpuUs[name], 0) / rows;
        table.push([
          String(producers),
          formatNumber(rows / seconds),
          formatNumber(bytes / 1e6 / seconds),
          ...(["producer", "redis", "postgres"] as const).map(us),
          formatNumber(service),
          formatNumber(clientUs / rows),
          `${Math.round((use.othersShare - clientUs / 1e6 / seconds / availableParallelism()) * 100)}%`,
          formatNumber(peakMb),
        ]);
        console.error(`${producers} producers: ${formatNumber(rows / seconds)} rows/s`);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  const form = parallel === 0 ? "one request" : `parts of 8 MB, ${parallel} at a time`;
  console.log(
    `${formatNumber(bytes / 1e6)} MB, ${formatNumber(rows)} rows of ${rowBytes} bytes, ${form}. CPU in µs per row`,
  );
  const names = ["producers", "accepted rows/s", "MB/s", "producer", "redis", "postgres"];
  const head = [...names, "sum", "client", "other load", "peak of a producer, MB"];
  console.log(formatTable(head, table));
  return true;
}

interface Part {
  bytes: Uint8Array<ArrayBuffer>;
  rows: number;
  digest: string;
}

/** Creates the parts before the measurement, so that the client costs little. */
function createParts(bytes: number, rowBytes: number): Part[] {
  const parts: Part[] = [];
  const rowsOfPart = Math.floor(partBytes / rowBytes);
  const rows = Math.ceil(bytes / rowBytes);
  const filler = "x".repeat(Math.max(1, rowBytes - "00000000,Holtsville,Suffolk,\n".length));
  for (let first = 0; first < rows; first += rowsOfPart) {
    const lines = first === 0 ? [columns.join()] : [];
    const end = Math.min(rows, first + rowsOfPart);
    for (let row = first; row < end; row += 1) {
      lines.push(`${String(row).padStart(8, "0")},Holtsville,Suffolk,${filler}`);
    }
    const part = new TextEncoder().encode(`${lines.join("\n")}\n`);
    const digest = createHash("sha256").update(part).digest("base64");
    parts.push({ bytes: part, rows: end - first, digest });
  }
  return parts;
}

async function measure(
  stack: ImportStack,
  parts: readonly Part[],
  { parallel, rows }: { parallel: number; rows: number },
): Promise<{ seconds: number; use: CpuUse; clientUs: number; peakMb: number }> {
  const { producers, stores } = stack;
  const pids = {
    producer: producers.map(({ pid }) => pid),
    redis: [stores.redisPid],
    postgres: [stores.postgresPid],
    consumer: [],
    // This process started the others, and is counted below.
    generator: [],
  };
  let peakMb = 0;
  const timer = setInterval(() => {
    for (const { pid } of producers) peakMb = Math.max(peakMb, readMemory(pid).rssMb);
  }, sampleMs);
  const startedAt = performance.now();
  const clientBefore = process.cpuUsage();
  const [imported, use] = await measureCpu(pids, () => send(stack, parts, parallel)).finally(() =>
    clearInterval(timer),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const { read, accepted } = imported.counts;
  if (read !== rows || accepted !== rows) {
    throw new Error(`${rows} rows were sent: ${JSON.stringify(imported.counts)}`);
  }
  const client = process.cpuUsage(clientBefore);
  return { seconds, use, clientUs: client.user + client.system, peakMb };
}

/** Sends the parts to the producers in turn, without a balancer. */
async function send(
  { urls }: ImportStack,
  parts: readonly Part[],
  parallel: number,
): Promise<Import> {
  const [baseUrl = ""] = urls;
  const client = createClient({ baseUrl });
  if (parallel === 0) return sendFile(baseUrl, parts);
  const { id } = await client.defineImport({ type: "row.import", columns });
  const waiting = parts.entries();
  const sendWaiting = async () => {
    for (const [index, part] of waiting) {
      const url = `${urls[index % urls.length] ?? ""}/v1/imports/${id}/parts/${index + 1}`;
      const headers = { "Content-Type": "text/csv", "Content-Digest": `sha-256=:${part.digest}:` };
      await requireOk(await fetch(url, { method: "PUT", headers, body: part.bytes }));
    }
  };
  await Promise.all(Array.from({ length: parallel }, sendWaiting));
  return client.completeImport(id, parts.length);
}

async function sendFile(baseUrl: string, parts: readonly Part[]): Promise<Import> {
  const response = await fetch(`${baseUrl}/v1/imports?type=row.import`, {
    method: "POST",
    headers: { "Content-Type": "text/csv" },
    body: new Blob(parts.map(({ bytes }) => bytes)),
  });
  await requireOk(response);
  return (await response.json()) as Import;
}

async function requireOk(response: Response): Promise<void> {
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      producers: { type: "string", default: "1,2,4" },
      parallel: { type: "string", default: "8" },
      megabytes: { type: "string", default: "200" },
      "row-bytes": { type: "string", default: "200" },
      rounds: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const toCount = (name: string, text: string, least = 1) => {
    const count = Number(text);
    if (Number.isInteger(count) && count >= least) return count;
    throw new Error(`--${name} must be a whole number from ${least}, not ${text}`);
  };
  return {
    producers: values.producers.split(",").map((text) => toCount("producers", text)),
    parallel: toCount("parallel", values.parallel, 0),
    bytes: toCount("megabytes", values.megabytes) * 1e6,
    rowBytes: toCount("row-bytes", values["row-bytes"], 40),
    rounds: toCount("rounds", values.rounds),
  };
}

await runProgram({
  usage,
  parse: parseOptions,
  run: (options, { signal }) => run(options, signal),
});
