import { type ColumnStats, statsLimits } from "@toril/contract/api/job-types/import-stats";
import { createNumberCounter } from "./number-counter.ts";

export interface ColumnCounter {
  readonly name: string;
  add(value: string): void;
  stats(): ColumnStats;
}

const numeral = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** Counts the values of a column in bounded memory: distinct values after the first `maxDistinct` are not tracked. */
export function createColumnCounter(
  name: string,
  { maxDistinct, maxNumbers }: { maxDistinct: number; maxNumbers: number },
): ColumnCounter {
  const counts = new Map<string, number>();
  const numbers = createNumberCounter(maxNumbers);
  let count = 0;
  let empty = 0;
  let longest = 0;
  let isDistinctExact = true;

  function addValue(value: string) {
    const key = value.length > statsLimits.valueLength ? cut(value) : value;
    const seen = counts.get(key);
    if (seen !== undefined || counts.size < maxDistinct) counts.set(key, (seen ?? 0) + 1);
    else isDistinctExact = false;
    if (key !== value) isDistinctExact = false;
  }

  return {
    name,
    add(value) {
      if (value === "") {
        empty += 1;
        return;
      }
      count += 1;
      longest = Math.max(longest, value.length);
      addValue(value);
      const trimmed = value.trim();
      if (numeral.test(trimmed)) numbers.add(Number(trimmed));
    },
    stats() {
      const top = Array.from(counts, ([value, count]) => ({ value, count }))
        .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
        .slice(0, statsLimits.topValues);
      const distinct = counts.size;
      return {
        name,
        count,
        empty,
        longest,
        distinct,
        isDistinctExact,
        top,
        numbers: numbers.stats(),
      };
    },
  };
}

/** Copies the text: a slice would keep the whole value in memory. */
function cut(value: string) {
  return Buffer.from(value.slice(0, statsLimits.valueLength).toWellFormed()).toString();
}
