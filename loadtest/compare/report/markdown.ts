import { parts } from "../parts/index.ts";
import type { PartName } from "../parts/names.ts";
import type { PartResult, Results } from "../results.ts";
import { targets } from "../targets/index.ts";
import type { TargetDefinition } from "../targets/target.ts";
import { median } from "./statistics.ts";
import { formatTable } from "./format.ts";
import { renderTable } from "./part-table.ts";

/** Renders results.md; the charts are in `results/` beside it. */
export function renderResults({ machine, versions, parts: results }: Results): string {
  const facts = [...Object.entries(machine), ["versions", listVersions(versions)]];
  const commands = new Set(results.map(({ command }) => command));
  return [
    "# Benchmark results",
    "",
    "Written by `bun run bench`; do not edit. [README.md](README.md) says how to repeat it.",
    "",
    formatTable(["", ""], [
      ...facts,
      ["command", [...commands].map(code).join(", then ")],
    ] as string[][]),
    "",
    ...howToRead(results),
    "",
    "## Targets",
    "",
    ...Object.values<TargetDefinition>(targets).map(
      ({ title, configuration }) => `- **${title}**: ${configuration}.`,
    ),
    "",
    ...results.flatMap(renderPart),
  ].join("\n");
}

function howToRead(results: readonly PartResult[]): string[] {
  const settings = results[0]?.settings;
  return [
    `All targets run on the same machine, in the same run and on the same stores: one Redis (\`appendonly yes\`, \`appendfsync ${settings?.appendFsync}\`) and one Postgres (\`fsync\` and \`synchronous_commit\` on), with the settings of \`npm start\`. Each target first runs twice the load of a round, which is not measured, because Bun and Node go on compiling for thousands of requests. Rounds of the targets alternate; the tables show the median of ${settings?.rounds} rounds, with the range in brackets where several matter. Ratios are computed round by round.`,
    "",
    "CPU µs are the CPU time of the processes (user and system) divided by the number of jobs. The load generator shares the machine; its CPU time is shown and not counted. On a machine with few cores, a target with cheaper jobs also leaves more CPU to the load generator, so compare CPU per job rather than jobs/s if the two disagree. After each round, the accepted jobs are counted in the stores; a round whose responses and stores disagree, or that leaves an accepted job unsettled where a consumer runs, fails.",
  ];
}

function renderPart(result: PartResult): string[] {
  const { title, description } = parts[result.part as PartName];
  const shares = result.series.flatMap(({ samples }) =>
    samples.flatMap(({ othersShare }) => (othersShare === undefined ? [] : [othersShare])),
  );
  const others = `Other processes took ${(median(shares) * 100).toFixed(0)}% of the machine (median of all rounds). `;
  return [
    `## ${title}`,
    "",
    description(result.settings),
    "",
    `![${title}](results/${result.part}.svg)`,
    "",
    renderTable(result),
    "",
    `${shares.length === 0 ? "" : others}Measured ${result.measuredAt.slice(0, 16).replace("T", " ")} UTC, commit ${result.commit}.`,
    "",
  ];
}

function listVersions(versions: Readonly<Record<string, string>>): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}

function code(text: string): string {
  return `\`${text}\``;
}
