import type { Import } from "@toril/client";
import { exitCodes } from "../output/exit-codes.ts";
import { renderFields } from "../output/print-result.ts";
import { toPrintable } from "../output/render-table.ts";
import { type Style, styleStatus } from "../output/style.ts";

/** Maximum number of errors to print. */
const maxErrors = 10;

export function renderImport(imported: Import, style: Style): string {
  const { id, type, status, counts, errors, dryRun } = imported;
  const fields = renderFields([
    ["import", id],
    ["type", toPrintable(type)],
    ["status", `${styleStatus(style, status)}${dryRun ? " (dry run)" : ""}`],
    ...(imported.then === null ? [] : [["then", imported.then] as const]),
    ...Object.entries(counts).map(([name, count]) => [name, String(count)] as const),
  ]);
  const lines = errors.slice(0, maxErrors).map(({ line, part, problem }) => {
    const detail = problem.errors?.map((error) => `${error.pointer} ${error.detail}`).join("; ");
    // An error of the whole file is at line 0.
    const places = [
      ...(part === undefined ? [] : [`part ${part}`]),
      ...(line === 0 ? [] : [`line ${line}`]),
    ];
    const place = places.length === 0 ? "" : `${places.join(", ")}: `;
    return style("red", toPrintable(`${place}${detail ?? problem.detail ?? problem.title}`));
  });
  const more = counts.rejected - lines.length;
  const rest = more > 0 ? `${more} further rows are rejected: ` : "";
  const hint = counts.rejected > 0 ? [style("dim", `${rest}toril imports errors ${id}`)] : [];
  return [fields, ...lines, ...hint].join("\n");
}

/** Returns the exit code of a command that followed an import to its end. */
export function getImportExitCode({ status, counts }: Import): number {
  if (counts.rejected > 0) return exitCodes.rejected;
  const hasFailed = status === "failed" || status === "cancelled" || counts.dead > 0;
  return hasFailed ? exitCodes.failed : exitCodes.ok;
}
