import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { partNames } from "../parts/names.ts";
import type { Results } from "../results.ts";
import { renderChart } from "./chart.ts";
import { renderResults } from "./markdown.ts";

/**
 * Writes results.md, the charts and results.json. Parts that were not measured this time keep their earlier results.
 * @returns all results
 */
export function writeResults(dir: string, results: Results): Results {
  const folder = join(dir, "results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "results.json");
  const earlier = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as Results)
    : { parts: [] };
  const merged: Results = {
    ...results,
    parts: partNames.flatMap((name) => {
      const isSame = ({ part }: { part: string }) => part === name;
      const part = results.parts.find(isSame) ?? earlier.parts.find(isSame);
      return part === undefined ? [] : [part];
    }),
  };
  writeFileSync(file, `${JSON.stringify(merged)}\n`);
  writeFileSync(join(dir, "results.md"), renderResults(merged));
  for (const part of merged.parts) {
    writeFileSync(join(folder, `${part.part}.svg`), renderChart(part));
  }
  return merged;
}
