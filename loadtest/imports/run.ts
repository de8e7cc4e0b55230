import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { runProgram } from "../../ops/dev/run-program.ts";
import { formatNumber, formatTable } from "../compare/report/format.ts";
import { type FileName, fileNames, writeDataFile } from "./files.ts";
import { runCutUpload } from "./run-cut-upload.ts";
import { type Kill, runImport, type Victim } from "./run-import.ts";
import { startImportStack } from "./stack.ts";

const clientKills = 3;
const cutRows = 100_000;
/** Shares of the file after which the upload is cut. */
const cuts = [0.2, 0.5, 0.9];
const usage = `bun run bench:imports [options]

  --producers N,N   producers behind Caddy, one stack after another (2,4)
  --consumers N     consumers of each stack (2)
  --parallel N      parts that toril import sends at the same time (8)
  --files NAME,NAME ${fileNames.join(", ")} (all)
  --cut             first send ${cutRows} rows of flights-200k in one request that is cut ${cuts.length} times and repeated
`;

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Options {
  producers: number[];
  consumers: number;
  parallel: number;
  files: FileName[];
  cut: boolean;
}

/** Imports each file without disturbance, then while client and producers are killed. Prints a table. */
async function run(options: Options, signal: AbortSignal): Promise<boolean> {
  const table: string[][] = [];
  for (const producers of options.producers) {
    const dir = mkdtempSync(join(tmpdir(), "toril-imports-"));
    // Postgres may have to run as another user.
    chmodSync(dir, 0o711);
    try {
      const { consumers, parallel } = options;
      await using stack = await startImportStack({ root, dir, producers, consumers, signal });
      if (options.cut) {
        const file = writeDataFile("flights-200k", dir, cutRows);
        const { imported, acceptedSeconds } = await runCutUpload(stack, file, cuts);
        const { read, accepted, completed } = imported.counts;
        console.error(
          `one request of ${file.rows} rows, cut ${cuts.length} times, ${producers} producers: read ${read} = accepted ${accepted} = done ${completed}, accepted after ${acceptedSeconds.toFixed(1)} s; the ledger reproduces the file`,
        );
      }
      for (const name of options.files) {
        const file = writeDataFile(name, dir);
        for (const kills of [[], planKills(producers)]) {
          const { imported, killed, acceptedSeconds, doneSeconds } = await runImport(stack, {
            file,
            parallel,
            // Enough parts for every connection and every kill.
            partBytes: Math.ceil(file.bytes.length / 50),
            kills,
          });
          const { read, accepted, completed } = imported.counts;
          const rate = (seconds: number) => formatNumber(Math.round(file.rows / seconds));
          console.error(
            `${name}, ${producers} producers, ${killed.length} kills: read ${read} = accepted ${accepted} = done ${completed} (${rate(acceptedSeconds)} accepted, ${rate(doneSeconds)} done rows/s); the ledger reproduces the file`,
          );
          table.push([
            name,
            String(producers),
            describeKilled(killed),
            formatNumber(read),
            rate(acceptedSeconds),
            rate(doneSeconds),
          ]);
        }
      }
    } finally {
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  const head = ["file", "producers", "killed", "read = accepted = done"];
  console.log(formatTable([...head, "accepted rows/s", "done rows/s"], table));
  return true;
}

function describeKilled(killed: readonly Victim[]): string {
  const clients = killed.filter((victim) => victim === "client").length;
  return killed.length === 0
    ? "none"
    : `client ${clients} times, producers ${killed.length - clients} times`;
}

/** Kills each producer once and the client three times, in turn. */
function planKills(producers: number): Kill[] {
  const victims: Victim[] = [];
  for (let index = 0; index < Math.max(producers, clientKills); index += 1) {
    if (index < clientKills) victims.push("client");
    if (index < producers) victims.push(index);
  }
  return victims.map((victim, index) => ({ at: (index + 1) / (victims.length + 1), victim }));
}

function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      producers: { type: "string", default: "2,4" },
      consumers: { type: "string", default: "2" },
      parallel: { type: "string", default: "8" },
      files: { type: "string", default: fileNames.join() },
      cut: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    producers: values.producers.split(",").map((text) => toCount("producers", text)),
    consumers: toCount("consumers", values.consumers),
    parallel: toCount("parallel", values.parallel),
    files: values.files.split(",").filter(Boolean).map(toFileName),
    cut: values.cut,
  };
}

function toCount(option: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= 64) return count;
  throw new Error(`--${option} must be a whole number from 1 to 64, not ${text}`);
}

function toFileName(text: string): FileName {
  const name = fileNames.find((known) => known === text);
  if (name !== undefined) return name;
  throw new Error(`--files must be of ${fileNames.join(", ")}, not ${text}`);
}

await runProgram({
  usage,
  parse: parseOptions,
  run: (options, { signal }) => run(options, signal),
});
