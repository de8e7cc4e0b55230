import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { processNames } from "../measure.ts";
import type { Results, Series } from "../results.ts";
import { formatNumber, formatTable } from "./format.ts";
import { processTitles } from "./part-table.ts";
import { medianOf } from "./statistics.ts";

const begin = "<!-- written by bun run bench -->";
const end = "<!-- end -->";
const rates = [1_000, 5_000, 10_000, 20_000, 50_000, 100_000];
/** A core that is busier than this makes its users wait. */
const utilization = 0.7;

/** Replaces the computed tables in docs/scaling.md, if Toril was measured end to end. */
export function writeScalingTable(file: string, { parts }: Results): void {
  const part = parts.find((one) => one.part === "e2e");
  const series = part?.series.find(({ target }) => target === "toril");
  if (!existsSync(file) || series === undefined || series.samples.length === 0) return;
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to === -1) throw new Error(`${file} lacks the markers ${begin} and ${end}`);
  const tables = `${begin}\n\n${renderTables(series)}\n\n`;
  writeFileSync(file, text.slice(0, from) + tables + text.slice(to));
}

function renderTables({ samples }: Series): string {
  const us = processNames.map((name) => medianOf(samples, ({ cpuUs }) => cpuUs?.[name] ?? 0));
  const sum = us.reduce((total, value) => total + value, 0);
  const titles = processNames.map((name) => processTitles[name]);
  const cores = (rate: number) => (value: number) =>
    ((rate * value) / 1e6 / utilization).toFixed(1);
  return [
    formatTable(
      ["", ...titles, "sum"],
      [
        ["CPU µs per job, end to end", ...us.map(formatNumber), formatNumber(sum)],
        [
          `jobs/s per core at ${utilization * 100}% utilization`,
          ...us.map((value) => formatNumber(Math.floor((1e6 / value) * utilization))),
          "",
        ],
      ],
    ),
    "",
    formatTable(
      ["cores for", ...titles, "sum"],
      rates.map((rate) => [
        `${formatNumber(rate)} jobs/s`,
        ...us.map(cores(rate)),
        cores(rate)(sum),
      ]),
    ),
  ].join("\n");
}
