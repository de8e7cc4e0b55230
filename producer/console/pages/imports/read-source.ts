/** Delimiters as the API names them. */
export const delimiters = {
  comma: ",",
  semicolon: ";",
  tab: "\t",
  pipe: "|",
  space: " ",
} as const;
export type Delimiter = keyof typeof delimiters;

/** Labels of the WHATWG Encoding Standard that spreadsheets and databases write. */
export const encodings = [
  "utf-8",
  "windows-1252",
  "utf-16le",
  "utf-16be",
  "windows-1250",
  "windows-1251",
  "iso-8859-15",
  "shift_jis",
  "gbk",
];

/** How the bytes of a file become rows. */
export interface FileFormat {
  format: "csv" | "ndjson";
  encoding: string;
  delimiter: Delimiter;
  header: "present" | "absent";
}

export interface Table {
  columns: string[];
  rows: string[][];
  /** Why the service would refuse the header of the file. */
  headerProblem?: string | undefined;
}

/** A file that a person has chosen. */
export interface Source {
  file: File;
  /** The format that the beginning of the file suggests. */
  detected: FileFormat;
  /** Reads the beginning of the file. */
  readTable(format: FileFormat): Table;
  /** Yields the bytes, decompressed, without a first line such as `sep=;`. */
  read(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

const previewBytes = 64 * 1024;
const maxRows = 6;

/** Reads the beginning of a file and detects its format. */
export async function openSource(file: File): Promise<Source> {
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const unreadable = unreadableFormats.find(({ magic }) => startsWith(start, magic));
  if (unreadable !== undefined) throw refuse(unreadable.name);
  const isGzip = startsWith(start, [0x1f, 0x8b]);
  const open = () =>
    isGzip ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  const head = await readHead(open());
  const encoding = detectEncoding(head);
  const text = decode(head, encoding);
  if (/^\s*\[\s*[[{\]]/.test(text)) throw refuse("a JSON array");
  const isNdjson = /\.(ndjson|jsonl)(\.gz)?$/i.test(file.name) || /^\s*\{/.test(text);
  // Spreadsheets write it; the service knows it only in files that are sent in one request.
  const [sepLine, sep] = /^sep=(.)\r?\n/i.exec(text) ?? [];
  const skipped = sepLine === undefined ? 0 : countBytes(head, encoding, sepLine);
  const body = skipped === 0 ? text : text.slice(sepLine?.length);
  const [line = ""] = body.split(/\r\n|\r|\n/, 1);
  const delimiter = findDelimiter(sep) ?? detectDelimiter(line);
  const [names = []] = splitRows(body, delimiters[delimiter], 1);
  return {
    file,
    detected: {
      format: isNdjson ? "ndjson" : "csv",
      encoding,
      delimiter,
      // As the service: a line that begins with a number is mostly data.
      header: /^[\d.,+-]+$/.test(names[0]?.trim() ?? "") ? "absent" : "present",
    },
    readTable: (format) =>
      format.format === "ndjson"
        ? readObjects(text.split("\n", maxRows))
        : readTable(decode(head.subarray(skipped), format.encoding), format),
    read: () => readBytes(open(), skipped),
  };
}

/** Browsers do not decompress zstd, and only the service reads workbooks and arrays as streams. */
const unreadableFormats = [
  { name: "compressed with zstd", magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: "an Excel workbook or a ZIP file", magic: [0x50, 0x4b, 0x03, 0x04] },
];

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

function refuse(what: string): Error {
  return new Error(
    `This page reads CSV and NDJSON, also with gzip. The file is ${what}: send it with POST /v1/imports.`,
  );
}

async function readHead(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of readBytes(stream, 0)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= previewBytes) break;
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer()).subarray(0, previewBytes);
}

/** Yields the bytes after the first ones. Not every browser can iterate over a stream. */
async function* readBytes(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  skipped: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  let left = skipped;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (left < value.length) yield value.subarray(left);
      left = Math.max(0, left - value.length);
    }
  } finally {
    // The rest of the file is not needed, so a failure to cancel reading changes nothing.
    await reader.cancel().catch(() => {});
  }
}

function detectEncoding(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  // Without a byte order mark: one byte of each ASCII character is zero.
  if (first === 0 && second !== 0) return "utf-16be";
  if (second === 0 && first !== undefined) return "utf-16le";
  try {
    // Streaming: the beginning of the file may end within a character.
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return "utf-8";
  } catch {
    return "windows-1252";
  }
}

function decode(bytes: Uint8Array, encoding: string): string {
  return new TextDecoder(encoding).decode(bytes, { stream: true });
}

/** Number of bytes of a text of ASCII characters at the beginning, with the byte order mark. */
function countBytes(bytes: Uint8Array, encoding: string, text: string): number {
  if (encoding.startsWith("utf-16")) {
    return text.length * 2 + (bytes[0] === 0xff || bytes[0] === 0xfe ? 2 : 0);
  }
  return text.length + (bytes[0] === 0xef ? 3 : 0);
}

const delimiterNames = Object.keys(delimiters) as Delimiter[];

function findDelimiter(character: string | undefined): Delimiter | undefined {
  return delimiterNames.find((name) => delimiters[name] === character);
}

function detectDelimiter(line: string): Delimiter {
  const unquoted = line.replaceAll(/"[^"]*"/g, "");
  // Words are separated by spaces in any file.
  const names = delimiterNames.filter((name) => name !== "space");
  const count = (name: Delimiter) => unquoted.split(delimiters[name]).length;
  return names.toSorted((a, b) => count(b) - count(a))[0] ?? "comma";
}

function readTable(text: string, { delimiter, header }: FileFormat): Table {
  const rows = splitRows(text, delimiters[delimiter], maxRows);
  const [first = []] = rows;
  const hasHeader = header === "present";
  const columns = first.map((name, index) => (hasHeader && name) || `column${index + 1}`);
  if (!hasHeader) return { columns, rows };
  return { columns, rows: rows.slice(1), headerProblem: findHeaderProblem(first) };
}

function findHeaderProblem(names: readonly string[]): string | undefined {
  const correct =
    "Correct the header in the file, or choose the header “absent”: the columns become column1, column2 and so on, and the first line becomes a row.";
  const unnamed = names.findIndex((name) => name.trim() === "");
  if (unnamed !== -1) return `Column ${unnamed + 1} has no name. ${correct}`;
  const second = names.findIndex((name, index) => names.indexOf(name) < index);
  if (second === -1) return undefined;
  const name = names[second] ?? "";
  return `Columns ${names.indexOf(name) + 1} and ${second + 1} have the same name, ${name}. ${correct}`;
}

/** Reads objects; the columns are the members of all of them. */
function readObjects(lines: readonly string[]): Table {
  const objects = lines.flatMap((line): Record<string, unknown>[] => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === "object" && value !== null ? [{ ...value }] : [];
    } catch {
      return [];
    }
  });
  const columns = [...new Set(objects.flatMap((one) => Object.keys(one)))];
  const toText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return {
    columns,
    rows: objects.map((one) => columns.map((name) => toText(one[name]) ?? "")),
  };
}

/** Reads rows with quoted fields (RFC 4180); the service does the actual parsing. */
function splitRows(text: string, delimiter: string, limit: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let isQuoted = false;
  const endRow = () => {
    if (field !== "" || row.length > 0) rows.push([...row, field]);
    row = [];
    field = "";
  };
  for (let index = 0; index < text.length && rows.length < limit; index++) {
    const char = text[index];
    if (isQuoted) {
      if (char !== '"') field += char;
      else if (text[index + 1] === '"') field += text[++index];
      else isQuoted = false;
    } else if (char === '"' && field === "") isQuoted = true;
    else if (char === delimiter) {
      row.push(field);
      field = "";
    } else if (char === "\n" || char === "\r") endRow();
    else field += char;
  }
  if (rows.length < limit) endRow();
  return rows;
}
