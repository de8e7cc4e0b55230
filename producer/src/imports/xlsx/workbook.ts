import { posix } from "node:path";
import { type DateSystem, decodeText, isDateFormat } from "./cell-text.ts";
import { XlsxError, xlsxLimits } from "./xlsx-error.ts";
import { createXmlReader, type XmlHandlers } from "./xml-reader.ts";
import { readZipEntry } from "./zip-entry.ts";

export interface Workbook extends DateSystem {
  /** Path of the sheet in the file. */
  sheet: string;
  sharedStrings: readonly string[];
  /** Whether a style, by its index, is that of a date. */
  dateStyles: readonly boolean[];
}

/** Reads what the cells of a sheet refer to. Throws if the file is no workbook or has no such sheet. */
export function readWorkbook(zip: Uint8Array, sheetName: string | undefined): Workbook {
  const main = findTarget(readRelations(zip, "_rels/.rels", ""), "officeDocument");
  if (main === undefined) throw new XlsxError("The file is no .xlsx workbook.");
  const { sheets, is1904 } = readSheets(zip, main);
  const folder = posix.dirname(main);
  const relations = readRelations(zip, `${folder}/_rels/${posix.basename(main)}.rels`, folder);
  const sheet = sheets.find(({ name }) => sheetName === undefined || name === sheetName);
  if (sheet === undefined) {
    const names = sheets.slice(0, 20).map(({ name }) => JSON.stringify(name.slice(0, 100)));
    throw new XlsxError(
      sheetName === undefined
        ? "The workbook has no sheet."
        : `The workbook has no sheet ${JSON.stringify(sheetName)}, but ${names.join(", ")}.`,
    );
  }
  const path = relations.find(({ id }) => id === sheet.relation)?.target;
  if (path === undefined) throw new XlsxError("The sheet is not in the file.");
  return {
    sheet: path,
    is1904,
    sharedStrings: readSharedStrings(zip, findTarget(relations, "sharedStrings")),
    dateStyles: readDateStyles(zip, findTarget(relations, "styles")),
  };
}

interface Relation {
  id: string;
  type: string;
  /** Path in the file. */
  target: string;
}

function readRelations(zip: Uint8Array, path: string, folder: string): Relation[] {
  const relations: Relation[] = [];
  readXml(zip, path, {
    open(name, { Id: id = "", Type: type = "", Target: target = "" }) {
      if (name !== "Relationship") return;
      const joined = target.startsWith("/") ? target.slice(1) : posix.join(folder, target);
      relations.push({ id, type: type.slice(type.lastIndexOf("/") + 1), target: joined });
    },
  });
  return relations;
}

function findTarget(relations: readonly Relation[], type: string): string | undefined {
  return relations.find((relation) => relation.type === type)?.target;
}

function readSheets(zip: Uint8Array, path: string) {
  const sheets: { name: string; relation: string }[] = [];
  let is1904 = false;
  readXml(zip, path, {
    open(name, attributes) {
      if (name === "workbookPr") is1904 = ["1", "true"].includes(attributes["date1904"] ?? "");
      if (name !== "sheet") return;
      const [, relation = ""] =
        Object.entries(attributes).find(([key]) => key.endsWith(":id")) ?? [];
      sheets.push({ name: attributes["name"] ?? "", relation });
    },
  });
  return { sheets, is1904 };
}

function readDateStyles(zip: Uint8Array, path: string | undefined): boolean[] {
  const codes = new Map<number, string>();
  const styles: boolean[] = [];
  let isInCells = false;
  readXml(zip, path, {
    open(name, { numFmtId, formatCode = "" }) {
      if (name === "cellXfs") isInCells = true;
      if (name === "numFmt") codes.set(Number(numFmtId), formatCode);
      if (name !== "xf" || !isInCells) return;
      const id = Number(numFmtId ?? 0);
      styles.push(isDateFormat(id, codes.get(id)));
    },
    close(name) {
      if (name === "cellXfs") isInCells = false;
    },
  });
  return styles;
}

function readSharedStrings(zip: Uint8Array, path: string | undefined): string[] {
  const { sharedStrings: maxStrings, sharedCharacters: maxCharacters, sheetBytes } = xlsxLimits;
  const strings: string[] = [];
  let text = "";
  let characters = 0;
  let isInText = false;
  let isPhonetic = false;
  const handlers: XmlHandlers = {
    open(name) {
      if (name === "si") text = "";
      if (name === "rPh") isPhonetic = true;
      isInText = name === "t" && !isPhonetic;
    },
    text(piece) {
      if (!isInText) return;
      text += piece;
      characters += piece.length;
      if (characters > maxCharacters) {
        throw new XlsxError(`The texts have more than ${maxCharacters} characters.`);
      }
    },
    close(name) {
      if (name === "t") isInText = false;
      if (name === "rPh") isPhonetic = false;
      if (name !== "si") return;
      strings.push(decodeText(text));
      if (strings.length > maxStrings) {
        throw new XlsxError(`The workbook has more than ${maxStrings} texts.`);
      }
    },
  };
  readXml(zip, path, handlers, sheetBytes);
  return strings;
}

function readXml(
  zip: Uint8Array,
  path: string | undefined,
  handlers: XmlHandlers,
  maxBytes: number = xlsxLimits.metadataBytes,
): void {
  if (path === undefined) return;
  const reader = createXmlReader(handlers);
  let isEmpty = true;
  for (const bytes of readZipEntry(zip, path, maxBytes)) {
    isEmpty = false;
    reader.write(bytes);
  }
  if (!isEmpty) reader.end();
}
