import type { Round } from "./round.ts";
import type { Target } from "./targets.ts";

export interface Series {
  target: Target;
  connections: number;
  rounds: Round[];
}

const heads = [
  ["target", "connections", "jobs/s", "p50 ms", "p99 ms"],
  ["server", "Redis", "Postgres", "CPU µs/job", "load generator", "errors"],
].flat();

/** Renders the median of each target's rounds, and ratios to Toril, as Markdown. */
export function renderReport(series: readonly Series[]): string {
  const rows = series.map(({ target, connections, rounds }) => {
    const middle = (read: (round: Round) => number) => median(rounds.map(read));
    return [
      target.title,
      String(connections),
      middle((round) => round.jobsPerSecond).toFixed(0),
      middle((round) => round.p50Ms).toFixed(1),
      middle((round) => round.p99Ms).toFixed(1),
      middle((round) => round.cpuUs.server).toFixed(1),
      middle((round) => round.cpuUs.redis).toFixed(1),
      middle((round) => round.cpuUs.postgres).toFixed(1),
      middle((round) => round.cpuUs.all).toFixed(1),
      middle((round) => round.cpuUs.generator).toFixed(1),
      String(rounds.reduce((sum, round) => sum + round.errors, 0)),
    ];
  });
  const others = median(series.flatMap(({ rounds }) => rounds.map((round) => round.othersShare)));
  return [
    ...table(heads, rows),
    "",
    ...compare(series),
    `Other processes took ${(others * 100).toFixed(0)}% of the machine.`,
  ].join("\n");
}

/** Compares round by round, because other load on the machine varies over time. */
function compare(series: readonly Series[]): string[] {
  const rows = series.flatMap(({ target, connections, rounds }) => {
    const toril = series.find(
      (other) => other.target.name === "toril" && other.connections === connections,
    );
    if (toril === undefined || target.name === "toril") return [];
    const ratio = (read: (round: Round) => number) =>
      rounds.flatMap((round, index) => {
        const own = toril.rounds[index];
        return own === undefined ? [] : [read(own) / read(round)];
      });
    return [
      [
        `Toril / ${target.title}`,
        String(connections),
        formatSpread(ratio((round) => round.jobsPerSecond)),
        formatSpread(ratio((round) => round.p99Ms)),
        formatSpread(ratio((round) => round.cpuUs.all)),
      ],
    ];
  });
  if (rows.length === 0) return [];
  return [...table(["ratio", "connections", "jobs/s", "p99", "CPU per job"], rows), ""];
}

function formatSpread(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(2)} (${least.toFixed(2)} - ${most.toFixed(2)})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) => `| ${cells.map(align).join(" | ")} |`;
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  const rule = widths.map((width, column) => "-".repeat(column === 0 ? width : width - 1));
  return [
    line(head),
    `|${rule.map((dashes, column) => (column === 0 ? ` ${dashes} ` : ` ${dashes}: `)).join("|")}|`,
    ...rows.map(line),
  ];
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? upper) + upper) / 2 : upper;
}
