import { processNames } from "../measure.ts";
import type { PartResult, Sample, Series } from "../results.ts";
import { nameOf } from "../rounds/alternate.ts";
import { formatNumber } from "./format.ts";
import { processTitles } from "./part-table.ts";
import { jobsPerSecond, medianOf } from "./statistics.ts";

/** Colours that are readable on white and on black. */
const colors = { producer: "#4c8eda", redis: "#d9534f", postgres: "#3a9d7c", consumer: "#c58a1b" };
const barColor = "#7a7fbd";
const textColor = "#6e7781";

const width = 960;
const labelWidth = 300;
const panelWidth = 310;
const gap = 20;
const rowHeight = 24;
const barHeight = 14;
const top = 54;

interface Segment {
  color: string;
  value: number;
}

interface Panel {
  title: string;
  segments(series: Series): Segment[];
  /** The lowest and the highest round. */
  range?(series: Series): [least: number, most: number];
}

/** Draws the medians of a part as an SVG image: a row of bars for each series. */
export function renderChart({ series }: PartResult): string {
  // Single requests cost far more CPU than requests that share commits: beside them, no other bar is visible.
  const isShown = ({ samples, variant }: Series) =>
    samples.length > 0 && !variant.startsWith("single ");
  const shown = series.filter(isShown);
  const panels = choosePanels(shown);
  const height = top + shown.length * rowHeight + 10;
  const rows = shown.map((one, row) => {
    const y = top + row * rowHeight;
    return text(labelWidth - 8, y + 12, nameOf(one), 'text-anchor="end"');
  });
  const drawn = panels.map((panel, index) =>
    drawPanel(panel, shown, labelWidth + index * (panelWidth + gap)),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="${textColor}">`,
    ...drawLegend(panels),
    ...rows,
    ...drawn.flat(),
    "</svg>",
    "",
  ].join("\n");
}

function choosePanels(series: readonly Series[]): Panel[] {
  const [sample] = series.flatMap(({ samples }) => samples);
  if (sample?.memory !== undefined) {
    return (["rssMb", "anonymousMb"] as const).map((kind) => ({
      title: kind === "rssMb" ? "RSS, MB" : "anonymous memory, MB",
      segments: ({ samples }) =>
        (["producer", "redis", "consumer"] as const).map((name) => ({
          color: colors[name],
          value: samples[0]?.memory?.[name]?.[kind] ?? 0,
        })),
    }));
  }
  const cpu: Panel = {
    title: "CPU µs per job",
    segments: ({ samples }) =>
      processNames.map((name) => ({
        color: colors[name],
        value: medianOf(samples, ({ cpuUs }) => cpuUs?.[name] ?? 0),
      })),
  };
  const isSequential = series.every(({ variant }) => /^POST( with Prefer: wait)?$/.test(variant));
  return isSequential
    ? [createBars("response time, ms (median)", ({ p50Ms = 0 }) => p50Ms), cpu]
    : [createBars("jobs/s", jobsPerSecond), cpu];
}

function createBars(title: string, read: (sample: Sample) => number): Panel {
  return {
    title,
    segments: ({ samples }) => [{ color: barColor, value: medianOf(samples, read) }],
    range({ samples }) {
      const values = samples.map(read);
      return [Math.min(...values), Math.max(...values)];
    },
  };
}

function drawPanel(panel: Panel, series: readonly Series[], x: number): string[] {
  const sums = series.map((one) => panel.segments(one).reduce((sum, { value }) => sum + value, 0));
  const most = Math.max(...sums, ...series.map((one) => panel.range?.(one)[1] ?? 0), 1e-9);
  // The right end of a panel has the figure of the longest bar.
  const scale = (panelWidth - 60) / most;
  const drawn = series.flatMap((one, row) => {
    const y = top + row * rowHeight;
    let left = x;
    const bars = panel.segments(one).map(({ color, value }) => {
      const length = value * scale;
      const bar = `<rect x="${fix(left)}" y="${y}" width="${fix(length)}" height="${barHeight}" fill="${color}"/>`;
      left += length;
      return bar;
    });
    const range = panel.range?.(one);
    const end = range === undefined ? left : Math.max(left, x + range[1] * scale);
    if (range !== undefined && one.samples.length > 1) bars.push(drawRange(range, x, scale, y));
    return [...bars, text(end + 5, y + 12, formatNumber(sums[row] ?? Number.NaN))];
  });
  return [text(x, top - 10, panel.title, 'font-weight="600"'), ...drawn];
}

function drawRange([least, most]: [number, number], x: number, scale: number, y: number): string {
  const middle = y + barHeight / 2;
  const [from, to] = [fix(x + least * scale), fix(x + most * scale)];
  return `<path d="M${from} ${middle}H${to}M${from} ${middle - 3}v6M${to} ${middle - 3}v6" stroke="${textColor}" fill="none"/>`;
}

function drawLegend(panels: readonly Panel[]): string[] {
  if (panels.length === 0) return [];
  return processNames.flatMap((name, index) => {
    const x = labelWidth + panelWidth + gap + index * 80;
    return [
      `<rect x="${x}" y="8" width="10" height="10" fill="${colors[name]}"/>`,
      text(x + 14, 17, processTitles[name]),
    ];
  });
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${fix(x)}" y="${fix(y)}"${attributes && ` ${attributes}`}>${escaped}</text>`;
}

function fix(value: number): string {
  return String(Math.round(value * 10) / 10);
}
