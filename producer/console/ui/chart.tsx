import { useEffect, useRef, useState } from "preact/hooks";
import UPlot from "uplot";

export interface Series {
  label: string;
  /** Name of a colour of the style sheet. */
  color: "accent" | "good" | "bad" | "warn" | "muted";
  values: readonly (number | null)[];
}

export interface ChartProps {
  title: string;
  /** In milliseconds since 1970. */
  times: readonly number[];
  series: readonly Series[];
  format(value: number): string;
}

const height = 140;
/** Points at no value. */
const outside = { left: -10, top: -10 };
/** How far Page Up and Page Down move. */
const pageSteps = 10;

/** A line chart over time. Its values are read with the pointer, or with the arrow keys, also by a screen reader. */
export function Chart({ title, times, series, format }: ChartProps) {
  const ref = useRef<HTMLDivElement>(null);
  const chart = useRef<UPlot | undefined>(undefined);
  const scheme = useColorScheme();
  /** Index of the time under the pointer. */
  const [pointed, setPointed] = useState<number | null>(null);
  const names = series.map(({ label }) => label).join();

  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const plot = new UPlot(
      toOptions(element, series, { format, onPoint: setPointed }),
      toData(times, series),
      element,
    );
    chart.current = plot;
    const resizing = new ResizeObserver(() => {
      if (element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height });
    });
    resizing.observe(element);
    return () => {
      resizing.disconnect();
      plot.destroy();
    };
  }, [scheme, names]);

  useEffect(() => chart.current?.setData(toData(times, series)), [times, series]);

  const formatOr = (value: number | null | undefined) =>
    value === undefined || value === null ? "–" : format(value);
  const last = times.length - 1;
  const pointedAt = pointed === null ? undefined : times[pointed];

  function point(index: number | undefined) {
    const plot = chart.current;
    const at = index === undefined ? undefined : times[Math.min(Math.max(index, 0), last)];
    plot?.setCursor(at === undefined ? outside : { left: plot.valToPos(at / 1000, "x"), top: 0 });
  }

  function move(event: KeyboardEvent) {
    const from = pointed ?? last;
    const target = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      PageUp: from + pageSteps,
      PageDown: from - pageSteps,
      Home: 0,
      End: last,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    point(target);
  }

  const texts = series.map(({ values }) =>
    formatOr(pointed === null ? values.findLast((value) => value !== null) : values[pointed]),
  );
  const described = series.map(({ label }, index) => `${label} ${texts[index]}`).join(", ");
  const time = pointedAt === undefined ? "latest" : formatTick(pointedAt / 1000, true);
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="legend">
          {pointedAt !== undefined && <span>{time}</span>}
          {series.map(({ label, color }, index) => (
            <span key={label} data-color={color}>
              {label} <strong>{texts[index]}</strong>
            </span>
          ))}
        </span>
      </figcaption>
      <div
        ref={ref}
        role="slider"
        tabIndex={0}
        aria-label={title}
        aria-valuemin={0}
        aria-valuemax={Math.max(last, 0)}
        aria-valuenow={Math.max(pointed ?? last, 0)}
        aria-valuetext={`${time}: ${described}`}
        onKeyDown={move}
        onBlur={() => point(undefined)}
      />
    </figure>
  );
}

function toData(times: readonly number[], series: readonly Series[]): UPlot.AlignedData {
  return [times.map((at) => at / 1000), ...series.map(({ values }) => [...values])];
}

interface Callbacks extends Pick<ChartProps, "format"> {
  /** Receives the index of the time under the pointer, or null. */
  onPoint(index: number | null): void;
}

function toOptions(
  element: HTMLElement,
  series: readonly Series[],
  { format, onPoint }: Callbacks,
): UPlot.Options {
  const muted = readColor("muted");
  const line = readColor("line");
  const axis = { stroke: muted, font: "11px system-ui", ticks: { show: false } };
  return {
    width: element.clientWidth || 300,
    height,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 5 } },
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.1, 1)] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 60,
        size: 24,
        values: (_plot, splits) => splits.map((seconds) => formatTick(seconds)),
      },
      {
        ...axis,
        grid: { stroke: line, width: 1 },
        size: 52,
        space: 36,
        values: (_plot, splits) => splits.map(format),
      },
    ],
    series: [
      {},
      ...series.map(({ label, color }, index) => ({
        label,
        stroke: readColor(color),
        width: 1.5,
        points: { show: true, size: 4, filter: findIsolated },
        ...(index === 0 && series.length <= 2 ? { fill: readColor(`${color}-fade`) } : {}),
      })),
    ],
  };
}

/** Returns the values without a neighbour, which a line does not show. */
function findIsolated({ data }: UPlot, series: number): number[] {
  const values = data[series] ?? [];
  const isMissing = (index: number) => (values[index] ?? null) === null;
  return [...values.keys()].filter(
    (index) => !isMissing(index) && isMissing(index - 1) && isMissing(index + 1),
  );
}

/** Time of day; the day, at midnight. */
function formatTick(seconds: number, isExact = false): string {
  const at = new Date(seconds * 1000);
  if (isExact && at.getSeconds() !== 0) return at.toLocaleTimeString("en", { hourCycle: "h23" });
  const isMidnight = at.getHours() === 0 && at.getMinutes() === 0;
  return isMidnight
    ? at.toLocaleDateString("en", { month: "short", day: "numeric" })
    : at.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** Resolves a colour of the style sheet for the canvas. */
function readColor(name: string): string {
  const probe = document.createElement("span");
  probe.className = "color-probe";
  probe.dataset["color"] = name;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Changes when the page turns light or dark. */
function useColorScheme(): string {
  const [scheme, setScheme] = useState(readScheme);
  useEffect(() => {
    const update = () => setScheme(readScheme());
    const observer = new MutationObserver(update);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", update);
    return () => {
      observer.disconnect();
      media.removeEventListener("change", update);
    };
  }, []);
  return scheme;
}

function readScheme(): string {
  const theme = document.documentElement.dataset["theme"] ?? "system";
  return `${theme} ${matchMedia("(prefers-color-scheme: dark)").matches}`;
}
