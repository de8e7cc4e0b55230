import { type ProcessName, processNames } from "../measure.ts";
import type { PartResult, Sample, Series } from "../results.ts";
import { nameOf } from "../rounds/alternate.ts";
import { formatNumber, formatTable } from "./format.ts";
import { createRatioColumns, formatSpread } from "./ratios.ts";
import { jobsPerSecond, medianOf, totalCpuUs } from "./statistics.ts";

export const processTitles: Readonly<Record<ProcessName, string>> = {
  producer: "producer",
  redis: "Redis",
  postgres: "Postgres",
  consumer: "consumer",
};

interface Column {
  head: string;
  cell(series: Series): string;
}

/** Renders the rounds of a part: medians, ranges in brackets, CPU time in µs per job. */
export function renderTable({ series }: PartResult): string {
  const columns = series.some(({ samples }) => samples.some(({ memory }) => memory !== undefined))
    ? memoryColumns
    : createColumns(series);
  const ratios = createRatioColumns(series);
  const rows = series.map((one) => [
    one.failure === undefined ? nameOf(one) : `${nameOf(one)} (failed: ${one.failure})`,
    ...columns.map(({ cell }) => cell(one)),
    ...ratios.cells(one),
  ]);
  return formatTable(["", ...columns.map(({ head }) => head), ...ratios.head], rows);
}

function createColumns(all: readonly Series[]): Column[] {
  const samples = all.flatMap((series) => series.samples);
  const used = processNames.filter((name) => samples.some(({ cpuUs }) => (cpuUs?.[name] ?? 0) > 0));
  const hasLatency = samples.some(({ p50Ms }) => p50Ms !== undefined);
  return [
    { head: "jobs/s", cell: ({ samples }) => formatSpread(samples.map(jobsPerSecond)) },
    ...(hasLatency
      ? [
          medianColumn("p50 ms", ({ p50Ms = Number.NaN }) => p50Ms),
          medianColumn("p99 ms", ({ p99Ms = Number.NaN }) => p99Ms),
        ]
      : []),
    ...used.map((name) =>
      medianColumn(`${processTitles[name]} µs`, ({ cpuUs }) => cpuUs?.[name] ?? Number.NaN),
    ),
    { head: "CPU µs per job", cell: ({ samples }) => formatSpread(samples.map(totalCpuUs)) },
    medianColumn("load generator µs", ({ cpuUs }) => cpuUs?.generator ?? Number.NaN),
    {
      head: "errors",
      cell: ({ samples }) => String(samples.reduce((sum, { errors }) => sum + errors, 0)),
    },
  ];
}

function medianColumn(head: string, read: (sample: Sample) => number): Column {
  return { head, cell: ({ samples }) => formatNumber(medianOf(samples, read)) };
}

const memoryNames = ["producer", "consumer", "redis"] as const;
const memoryColumns: Column[] = (["rssMb", "anonymousMb"] as const).flatMap((kind) => {
  const title = kind === "rssMb" ? "RSS" : "anonymous";
  const read = (sample: Sample, name: (typeof memoryNames)[number]) =>
    sample.memory?.[name]?.[kind];
  return [
    ...memoryNames.map((name) =>
      medianColumn(`${processTitles[name]} ${title} MB`, (one) => read(one, name) ?? Number.NaN),
    ),
    medianColumn(`sum ${title} MB`, (one) =>
      memoryNames.reduce((sum, name) => sum + (read(one, name) ?? 0), 0),
    ),
  ];
});
