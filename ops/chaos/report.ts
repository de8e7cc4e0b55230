import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { type Measurement, postEveryMs, scheduleCount } from "./isolation.ts";
import type { Overload } from "./overload.ts";
import { type ChaosResult, type InjectedFault, isPassed, formatSeconds } from "./run.ts";

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

const formatCount = (count: number) => count.toLocaleString("en");

/** Renders the section of one run. */
export function renderChaos(result: ChaosResult): string {
  const { acknowledged, durationMs, faults, seed, verification, violations } = result;
  const kinds = Map.groupBy(faults, ({ kind }) => kind);
  const perSecond = formatCount(Math.round((acknowledged / durationMs) * 1000));
  const summary = renderTable([
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
      formatSeconds(durationMs),
      String(seed),
      String(faults.length),
      String(kinds.size),
      formatCount(acknowledged),
      perSecond,
      String(verification.lost),
      String(verification.duplicated),
      String(verification.stuck),
    ],
  ]);
  const worst = faults.toSorted((a, b) => b.unavailableMs - a.unavailableMs).at(0);
  const longest =
    worst === undefined
      ? ""
      : `Longest unavailability: ${formatSeconds(worst.unavailableMs)} (${worst.kind}).`;
  const byKind = renderTable([
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
      formatSeconds(Math.max(...list.map(({ heldMs }) => heldMs))),
      formatSeconds(Math.max(...list.map(({ unavailableMs }) => unavailableMs))),
      formatSeconds(median(list)),
      formatSeconds(Math.max(...list.map(({ recoveryMs }) => recoveryMs))),
    ]).toSorted(([a = ""], [b = ""]) => a.localeCompare(b)),
  ]);
  const done = Array.from(result.counts, ([kind, count]) => `${formatCount(count)} ${kind}`).join(
    ", ",
  );
  const missing = result.notInjected.map(({ kind, reason }) => `- ${kind}: ${reason}`).join("\n");
  const wrong = isPassed(result)
    ? []
    : [
        "**A guarantee was broken.**",
        [
          ...violations.map(({ rule: what }) => `- ${what}`),
          ...Object.keys(verification.evidence).map((what) => `- ${what}`),
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

/** Renders the isolation of a quiet tenant. */
export function renderIsolation(measured: readonly Measurement[]): string {
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  return [
    `A quiet tenant sends ${1000 / postEveryMs} POSTs a second through Caddy and has ${scheduleCount} schedules, while another tenant misbehaves.`,
    renderTable([
      [
        "misbehaviour",
        "POST p50",
        "POST p99",
        "failed",
        "settled p99",
        "scheduled runs",
        "latest run",
        "producer",
        "consumer",
        "responses to the other tenant",
      ],
      ...measured.map((one) => [
        one.name,
        ms(one.p50Ms),
        ms(one.p99Ms),
        `${one.failed} of ${one.posts}`,
        ms(one.settledP99Ms),
        `${one.runs} of ${one.expectedRuns}`,
        ms(one.latestMs),
        `${one.producerMb} MB`,
        `${one.consumerMb} MB`,
        one.answers,
      ]),
    ]),
  ].join("\n\n");
}

/** Renders the behaviour under overload. */
export function renderOverload(overload: Overload): string {
  const { capacity, offered, accepted, statuses, p99Ms } = overload;
  const retryAfter = overload.retryAfter.toSorted((a, b) => a - b);
  const at = (share: number) =>
    String(retryAfter[Math.floor((retryAfter.length - 1) * share)] ?? "");
  return [
    "Bulk requests through Caddy, with consumers paused: first as many as are answered, then three times as many.",
    renderTable([
      [
        "capacity",
        "offered",
        "accepted",
        "goodput",
        "p99 of accepted requests",
        "Retry-After, median",
        "Retry-After, longest",
      ],
      [
        `${formatCount(Math.round(capacity))} jobs/s`,
        `${formatCount(Math.round(offered))} jobs/s`,
        `${formatCount(Math.round(accepted))} jobs/s`,
        `${Math.round((accepted / capacity) * 100)}%`,
        `${p99Ms.toFixed(0)} ms`,
        `${at(0.5)} s`,
        `${at(1)} s`,
      ],
    ]),
    `Responses: ${Array.from(statuses, ([status, count]) => `${formatCount(count)} x ${status || "none"}`).join(", ")}.`,
  ].join("\n\n");
}

function median(faults: readonly InjectedFault[]): number {
  const sorted = faults.map(({ recoveryMs }) => recoveryMs).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function renderTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
