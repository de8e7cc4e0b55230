/** Delimiters as the API names them. */
export const delimiters = { comma: ",", semicolon: ";", tab: "\t" } as const;
export type DelimiterName = keyof typeof delimiters;

export const charsets = ["utf-8", "windows-1252", "utf-16le"];

export interface FilePreview {
  charset: string;
  delimiter: DelimiterName;
  /** Reads the header and the first rows. */
  read(charset: string, delimiter: DelimiterName): string[][];
}

const previewBytes = 64 * 1024;
const maxRows = 6;

/** Detects the encoding and the delimiter of a CSV file from its beginning. */
export async function previewFile(file: Blob): Promise<FilePreview> {
  const bytes = new Uint8Array(await file.slice(0, previewBytes).arrayBuffer());
  const charset = detectCharset(bytes);
  const [firstLine = ""] = decode(bytes, charset).split("\n");
  return {
    charset,
    delimiter: detectDelimiter(firstLine),
    read: (charset, delimiter) => readRows(decode(bytes, charset), delimiters[delimiter]),
  };
}

function detectCharset(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  try {
    // Streaming: the beginning of the file may end within a character.
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return "utf-8";
  } catch {
    return "windows-1252";
  }
}

function decode(bytes: Uint8Array, charset: string): string {
  return new TextDecoder(charset).decode(bytes);
}

function detectDelimiter(line: string): DelimiterName {
  const names = Object.keys(delimiters) as DelimiterName[];
  const count = (name: DelimiterName) => line.split(delimiters[name]).length;
  return names.toSorted((a, b) => count(b) - count(a))[0] ?? "comma";
}

/** Reads rows with quoted fields (RFC 4180); the service does the actual parsing. */
function readRows(text: string, delimiter: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let isQuoted = false;
  for (let index = 0; index < text.length && rows.length < maxRows; index++) {
    const char = text[index];
    if (isQuoted) {
      if (char !== '"') field += char;
      else if (text[index + 1] === '"') field += text[++index];
      else isQuoted = false;
    } else if (char === '"' && field === "") isQuoted = true;
    else if (char === delimiter) {
      row.push(field);
      field = "";
    } else if (char === "\n") {
      rows.push([...row, field.replace(/\r$/, "")]);
      row = [];
      field = "";
    } else field += char;
  }
  if (rows.length < maxRows && (field !== "" || row.length > 0)) rows.push([...row, field]);
  return rows;
}
