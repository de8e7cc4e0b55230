import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A file that is imported, and how its rows are written. */
export interface ImportedFile {
  path: string;
  bytes: Buffer;
  rows: number;
  /** Renders a file with these rows; equal to `bytes` for the rows of the file. */
  render(rows: readonly Values[]): Buffer;
}

export type Values = Readonly<Record<string, string>>;

const data = join(dirname(fileURLToPath(import.meta.resolve("vega-datasets"))), "../data");

export const fileNames = ["flights-200k", "birdstrikes", "zipcodes"] as const;
export type FileName = (typeof fileNames)[number];

/**
 * Writes a data set of vega-datasets to a folder: flights-200k as NDJSON, the others as they are.
 * @param maxRows leaves out later rows
 */
export function writeDataFile(name: FileName, dir: string, maxRows = Infinity): ImportedFile {
  return name === "flights-200k" ? writeNdjson(name, dir, maxRows) : writeCsv(name, dir, maxRows);
}

function writeNdjson(name: FileName, dir: string, maxRows: number): ImportedFile {
  const all = JSON.parse(readFileSync(join(data, `${name}.json`), "utf8")) as object[];
  const objects = all.slice(0, maxRows);
  const columns = Object.keys(objects[0] ?? {});
  const path = join(dir, `${name}.ndjson`);
  writeFileSync(path, objects.map((object) => `${JSON.stringify(object)}\n`).join(""));
  return {
    path,
    bytes: readFileSync(path),
    rows: objects.length,
    // The values of a row are JSON.
    render: (rows) =>
      Buffer.from(
        rows
          .map(
            (row) => `{${columns.map((name) => `${JSON.stringify(name)}:${row[name]}`).join()}}\n`,
          )
          .join(""),
      ),
  };
}

/** The files have no quotes. */
function writeCsv(name: FileName, dir: string, maxRows: number): ImportedFile {
  const text = readFileSync(join(data, `${name}.csv`), "utf8");
  const lineBreak = text.includes("\r\n") ? "\r\n" : "\n";
  const [header = "", ...lines] = text.split(lineBreak);
  const end = lines.at(-1) === "" ? lineBreak : "";
  if (end !== "") lines.pop();
  const kept = lines.slice(0, maxRows);
  const columns = header.split(",");
  const path = join(dir, `${name}.csv`);
  const toFile = (content: readonly string[]) =>
    Buffer.from([header, ...content].join(lineBreak) + end);
  writeFileSync(path, toFile(kept));
  return {
    path,
    bytes: readFileSync(path),
    rows: kept.length,
    render: (rows) => toFile(rows.map((row) => columns.map((column) => row[column]).join())),
  };
}
