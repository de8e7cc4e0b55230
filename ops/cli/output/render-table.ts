import { stripVTControlCharacters } from "node:util";

/** Renders rows as aligned columns. Cells may be coloured. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => measure(row[column] ?? ""))));
  const lines = all.map((row) =>
    row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - measure(cell))),
  );
  return lines.map((cells) => cells.join("  ").trimEnd()).join("\n");
}

function measure(cell: string): number {
  return stripVTControlCharacters(cell).length;
}

/** Replaces control characters: clients choose the text, and it must not control the terminal. */
export function toPrintable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "\uFFFD");
}
