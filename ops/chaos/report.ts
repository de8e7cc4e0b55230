import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { type Measurement, postEveryMs, scheduleCount } from "./isolation/isolation.ts";
import {
  cpuNames,
  type LoadName,
  loads,
  median,
  type Overload,
  type Period,
  type Route,
  routes,
} from "./isolation/overload.ts";
import { formatSeconds, type InjectedFault } from "./faults/inject-faults.ts";
import { type ChaosResult, isPassed } from "./run.ts";

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
      formatSeconds(medianRecovery(list)),
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

const routeTitles: Readonly<Record<Route, string>> = {
  caddy: "Caddy",
  producers: "no proxy",
};

const loadTitles: Readonly<Record<LoadName, string>> = {
  capacity: "capacity: each client waits for its response",
  ignored: "three times as many, Retry-After ignored",
  honoured: "three times as many wanted, Retry-After honoured",
};

/** Renders the behaviour under overload: medians of the rounds. */
export function renderOverload(overload: Overload): string {
  const jobs = (value: number) => `${formatCount(Math.round(value))} jobs/s`;
  const percent = (value: number) => `${Math.round(value * 100)}%`;
  const cases = routes.flatMap((route) => loads.map((load) => ({ route, load })));
  const rows = cases.map(({ route, load }) => {
    const { capacity, [load]: periods } = overload[route];
    const of = (pick: (period: Period) => number) => median(periods.map(pick));
    // Each period is compared with the capacity of its round.
    const goodputs = periods
      .map(({ accepted }, round) => accepted / (capacity[round]?.accepted ?? Number.NaN))
      .toSorted((a, b) => a - b);
    const range = `${percent(median(goodputs))} (${percent(goodputs[0] ?? NaN)} to ${percent(goodputs.at(-1) ?? NaN)})`;
    const quantile = (sorted: readonly number[], share: number) =>
      sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
    const retryAfter = periods.flatMap((period) => period.retryAfter).toSorted((a, b) => a - b);
    return [
      routeTitles[route],
      loadTitles[load],
      jobs(of(({ offered }) => offered)),
      jobs(of(({ accepted }) => accepted)),
      load === "capacity" ? "" : range,
      `${of(({ latenciesMs }) => quantile(latenciesMs, 0.99)).toFixed(0)} ms`,
      retryAfter.length === 0
        ? ""
        : `${quantile(retryAfter, 0.5)} s, at most ${quantile(retryAfter, 1)} s`,
      cpuNames.map((name) => of(({ cpu }) => cpu[name]).toFixed(0)).join(" + "),
    ];
  });
  const answers = new Map<number, number>();
  for (const { route, load } of cases)
    for (const { statuses } of load === "capacity" ? [] : overload[route][load])
      for (const [status, count] of statuses)
        answers.set(status, (answers.get(status) ?? 0) + count);
  return [
    `Bulk requests, without consumers: medians of ${overload.caddy.capacity.length} alternating rounds.`,
    renderTable([
      [
        "through",
        "load",
        "sent",
        "accepted",
        "goodput (range)",
        "p99 of accepted requests",
        "Retry-After",
        `CPU in µs per accepted job: ${cpuNames.join(" + ")}`,
      ],
      ...rows,
    ]),
    `Responses to the overload: ${Array.from(answers, ([status, count]) => `${formatCount(count)} x ${status || "none"}`).join(", ")}.`,
  ].join("\n\n");
}

function medianRecovery(faults: readonly InjectedFault[]): number {
  const sorted = faults.map(({ recoveryMs }) => recoveryMs).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function renderTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
