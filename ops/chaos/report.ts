import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { type ChaosResult, type InjectedFault, isIntact, seconds } from "./run.ts";

const titles = {
  single: "Single Redis",
  sentinel: "Redis Sentinel",
  cluster: "Redis Cluster",
  isolation: "Isolation",
  overload: "Overload",
} as const;
export type SectionName = keyof typeof titles;

const heading = `# Chaos report

Written by \`bun run chaos\`; each run replaces the sections it measured. [README.md](README.md) explains the figures.
`;

/** Replaces one section of the report and leaves the others as they are. */
export function writeSection(file: string, name: SectionName, body: string): void {
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  const sections = new Map<string, string>();
  for (const part of before.split(/^(?=## )/m).slice(1)) {
    const title = part.slice(3, part.indexOf("\n"));
    sections.set(title, part.trimEnd());
  }
  sections.set(titles[name], `## ${titles[name]}\n\n${body.trim()}`);
  const ordered = Object.values(titles).flatMap((title) => sections.get(title) ?? []);
  writeFileSync(file, `${[heading.trimEnd(), ...ordered].join("\n\n")}\n`);
}

const grouped = (count: number) => count.toLocaleString("en");

/** A section about one run. */
export function describeChaos(result: ChaosResult): string {
  const { acknowledged, durationMs, faults, seed, verdict, violations } = result;
  const kinds = Map.groupBy(faults, ({ kind }) => kind);
  const perSecond = grouped(Math.round((acknowledged / durationMs) * 1000));
  const summary = table([
    [
      "duration",
      "seed",
      "faults",
      "kinds",
      "acknowledged jobs",
      "jobs/s",
      "lost",
      "duplicated",
      "stuck",
    ],
    [
      seconds(durationMs),
      String(seed),
      String(faults.length),
      String(kinds.size),
      grouped(acknowledged),
      perSecond,
      String(verdict.lost),
      String(verdict.duplicated),
      String(verdict.stuck),
    ],
  ]);
  const worst = faults.toSorted((a, b) => b.unavailableMs - a.unavailableMs).at(0);
  const longest =
    worst === undefined
      ? ""
      : `Longest unavailability: ${seconds(worst.unavailableMs)} (${worst.kind}).`;
  const byKind = table([
    [
      "fault",
      "times",
      "longest hold",
      "longest unavailability",
      "recovery, median",
      "recovery, longest",
    ],
    ...Array.from(kinds, ([kind, list]) => [
      kind,
      String(list.length),
      seconds(Math.max(...list.map(({ heldMs }) => heldMs))),
      seconds(Math.max(...list.map(({ unavailableMs }) => unavailableMs))),
      seconds(median(list)),
      seconds(Math.max(...list.map(({ recoveryMs }) => recoveryMs))),
    ]).toSorted(([a = ""], [b = ""]) => a.localeCompare(b)),
  ]);
  const done = Array.from(result.done, ([kind, count]) => `${grouped(count)} ${kind}`).join(", ");
  const missing = result.notInjected.map(({ kind, reason }) => `- ${kind}: ${reason}`).join("\n");
  const wrong = isIntact(result)
    ? []
    : [
        "**A guarantee was broken.**",
        [
          ...violations.map(({ what }) => `- ${what}`),
          ...Object.keys(verdict.evidence).map((what) => `- ${what}`),
        ].join("\n"),
      ];
  return [
    summary,
    ...wrong,
    longest,
    byKind,
    `Load: ${done}.`,
    missing && `Not injected:\n\n${missing}`,
  ]
    .filter(Boolean)
    .join("\n\n");
}

function median(faults: readonly InjectedFault[]): number {
  const sorted = faults.map(({ recoveryMs }) => recoveryMs).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
