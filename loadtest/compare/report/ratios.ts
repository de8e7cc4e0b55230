import type { Sample, Series } from "../results.ts";
import { formatNumber } from "./format.ts";
import { jobsPerSecond, median, totalCpuUs } from "./statistics.ts";

export interface RatioColumns {
  head: string[];
  cells(series: Series): string[];
}

/**
 * Compares series round by round, because other load on the machine varies over time: Toril with each other target, and
 * each variant with the plain one of the same target.
 */
export function createRatioColumns(all: readonly Series[]): RatioColumns {
  const columns = [compareWithToril(all), compareWithPlain(all)].filter(
    (column) => column !== undefined,
  );
  return {
    head: columns.flatMap(({ head }) => head),
    cells: (series) => columns.flatMap(({ cells }) => cells(series)),
  };
}

function compareWithToril(all: readonly Series[]): RatioColumns | undefined {
  if (!all.some(({ target }) => target !== "toril" && target !== "limit")) return undefined;
  return {
    head: ["jobs/s: Toril ÷ this", "CPU: Toril ÷ this"],
    cells(series) {
      const toril = all.find(
        ({ target, variant }) => target === "toril" && variant === series.variant,
      );
      if (toril === undefined || toril === series) return ["", ""];
      return [formatRatio(toril, series, jobsPerSecond), formatRatio(toril, series, totalCpuUs)];
    },
  };
}

/** Variants that others are compared with. */
const plain = /^(?<what>.*, )?(empty|without)$/;

function compareWithPlain(all: readonly Series[]): RatioColumns | undefined {
  const bases = all.filter(({ variant }) => plain.test(variant));
  const [first] = bases;
  if (first === undefined) return undefined;
  const name = first.variant.replace(/^.*, /, "");
  return {
    head: [`jobs/s: this ÷ ${name}`, `CPU: this ÷ ${name}`],
    cells(series) {
      const base = bases.find(({ target, variant }) => {
        const what = plain.exec(variant)?.groups?.["what"] ?? "";
        return target === series.target && series.variant.startsWith(what);
      });
      if (base === undefined || base === series) return ["", ""];
      return [formatRatio(series, base, jobsPerSecond), formatRatio(series, base, totalCpuUs)];
    },
  };
}

function formatRatio(a: Series, b: Series, read: (sample: Sample) => number): string {
  const ratios = a.samples.flatMap((sample, round) => {
    const other = b.samples[round];
    return other === undefined ? [] : [read(sample) / read(other)];
  });
  return ratios.length === 0 ? "" : formatSpread(ratios);
}

/** The median, with the range in brackets. */
export function formatSpread(values: readonly number[]): string {
  if (values.length < 2) return formatNumber(median(values));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${formatNumber(median(values))} (${formatNumber(least)} to ${formatNumber(most)})`;
}
