export interface CsvOptions {
  delimiter: "," | ";" | "\t";
  /** A label of the WHATWG Encoding Standard; the default is UTF-8. */
  charset?: string | undefined;
  maxRowBytes: number;
}

/** `line` is the line where the row begins; the header is line 1. */
export type CsvRecord =
  | { status: "row"; line: number; row: Record<string, string> }
  | { status: "bad"; line: number; detail: string };

/** The file cannot be read from `line` on. */
export class CsvError extends Error {
  readonly line: number;
  readonly detail: string;

  constructor(line: number, detail: string) {
    super(`line ${line}: ${detail}`);
    this.line = line;
    this.detail = detail;
  }
}
