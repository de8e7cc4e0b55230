import { posix } from "node:path";
import { type DateSystem, isDateFormat } from "./cell-text.ts";
import { createSharedStrings, type SharedStrings } from "./shared-strings.ts";
import { XlsxError, xlsxLimits } from "./xlsx-error.ts";
import { createXmlReader, type XmlHandlers } from "./xml-reader.ts";
import type { ZipFile } from "./zip-file.ts";

export interface Workbook extends DateSystem {
  /** Path of the sheet in the file. */
  sheet: string;
  sharedStrings: SharedStrings;
  /** Whether a style, by its index, is that of a date. */
  dateStyles: readonly boolean[];
}

/** Reads what the cells of a sheet refer to. Throws if the file is no workbook or has no such sheet. */
export function readWorkbook(zip: ZipFile, sheetName: string | undefined): Workbook {
  const main = findTarget(readRelations(zip, "_rels/.rels", ""), "officeDocument");
  if (main === undefined) throw new XlsxError("The file is no .xlsx workbook.");
  const { sheets, is1904 } = readSheets(zip, main);
  const folder = posix.dirname(main);
  const relations = readRelations(zip, `${folder}/_rels/${posix.basename(main)}.rels`, folder);
  const sheet = findSheet(sheets, relations, sheetName);
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

/** By default the first tab that a spreadsheet program shows, without charts. */
function findSheet(
  sheets: readonly Sheet[],
  relations: readonly Relation[],
  sheetName: string | undefined,
): Sheet | undefined {
  if (sheetName !== undefined) return sheets.find(({ name }) => name === sheetName);
  const charts = new Set(relations.filter(({ type }) => type === "chartsheet").map(({ id }) => id));
  const tables = sheets.filter(({ relation }) => !charts.has(relation));
  return tables.find(({ isHidden }) => !isHidden) ?? tables[0];
}

interface Sheet {
  name: string;
  isHidden: boolean;
  /** Id. */
  relation: string;
}

interface Relation {
  id: string;
  type: string;
  /** Path in the file. */
  target: string;
}

function readRelations(zip: ZipFile, path: string, folder: string): Relation[] {
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

function readSheets(zip: ZipFile, path: string) {
  const sheets: Sheet[] = [];
  let is1904 = false;
  readXml(zip, path, {
    open(name, attributes) {
      if (name === "workbookPr") is1904 = ["1", "true"].includes(attributes["date1904"] ?? "");
      if (name !== "sheet") return;
      const [, relation = ""] =
        Object.entries(attributes).find(([key]) => key.endsWith(":id")) ?? [];
      const { name: title = "", state = "visible" } = attributes;
      sheets.push({ name: title, isHidden: state !== "visible", relation });
    },
  });
  return { sheets, is1904 };
}

function readDateStyles(zip: ZipFile, path: string | undefined): boolean[] {
  const codes = new Map<number, string>();
  const dates = new Map<number, boolean>();
  const styles: boolean[] = [];
  let isInCells = false;
  readXml(zip, path, {
    open(name, { numFmtId, formatCode = "" }) {
      if (name === "cellXfs") isInCells = true;
      if (name === "numFmt") codes.set(Number(numFmtId), formatCode);
      if (name !== "xf" || !isInCells) return;
      const id = Number(numFmtId ?? 0);
      const isDate = dates.get(id) ?? isDateFormat(id, codes.get(id));
      dates.set(id, isDate);
      styles.push(isDate);
    },
    close(name) {
      if (name === "cellXfs") isInCells = false;
    },
  });
  return styles;
}

function readSharedStrings(zip: ZipFile, path: string | undefined): SharedStrings {
  const { strings, handlers } = createSharedStrings();
  readXml(zip, path, handlers, xlsxLimits.sheetBytes);
  return strings;
}

function readXml(
  zip: ZipFile,
  path: string | undefined,
  handlers: XmlHandlers,
  maxBytes: number = xlsxLimits.metadataBytes,
): void {
  if (path === undefined) return;
  const reader = createXmlReader(handlers);
  let isEmpty = true;
  for (const bytes of zip.read(path, maxBytes)) {
    isEmpty = false;
    reader.write(bytes);
  }
  if (!isEmpty) reader.end();
}
