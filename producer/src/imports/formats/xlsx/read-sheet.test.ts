import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { strToU8, zipSync } from "fflate";
import { _writeZip64 } from "./_zip64.ts";
import { formatDate, formatIsoDate, isDateFormat, parseColumn } from "./cell-text.ts";
import { readSheet } from "./read-sheet.ts";
import { XlsxError } from "./xlsx-error.ts";

const toXml = (text: string) => strToU8(`<?xml version="1.0"?>${text}`);

type Files = Record<string, Uint8Array>;

/** Returns the files of a workbook of one sheet. */
function toFiles(sheetData: string, shared = "<sst/>"): Files {
  return {
    "_rels/.rels": toXml(
      '<Relationships><Relationship Id="rId1" Type="x/officeDocument" Target="/book/main.xml"/></Relationships>',
    ),
    "book/main.xml": toXml(
      '<x:workbook xmlns:x="a" xmlns:r="b"><x:sheets><x:sheet name="One" r:id="rId7"/></x:sheets></x:workbook>',
    ),
    "book/_rels/main.xml.rels": toXml(
      '<Relationships><Relationship Id="rId7" Type="x/worksheet" Target="one.xml"/>' +
        '<Relationship Id="rId8" Type="x/sharedStrings" Target="../texts.xml"/></Relationships>',
    ),
    "texts.xml": toXml(shared),
    "book/one.xml": toXml(`<worksheet><sheetData>${sheetData}</sheetData></worksheet>`),
  };
}

function build(sheetData: string, shared?: string, more: Files = {}): Uint8Array {
  return zipSync({ ...toFiles(sheetData, shared), ...more });
}

const read = (zip: Uint8Array, sheet?: string) => [...readSheet(zip, sheet)].flat();

function fault(zip: Uint8Array, sheet?: string): string {
  try {
    read(zip, sheet);
  } catch (error) {
    if (error instanceof XlsxError) return error.message;
    throw error;
  }
  return "";
}

test("rows have the texts of cells of every type, where their references say", () => {
  const shared =
    '<sst><si><t>a</t></si><si><r><t xml:space="preserve"> b</t></r><r><t>c_x0041_</t></r><rPh><t>no</t></rPh></si></sst>';
  const rows = read(
    build(
      '<row r="2"><c r="C2" t="s"><v>1</v></c><c r="A2" t="s"><v>0</v></c></row>' +
        '<row r="4"><c s="9"/><c t="inlineStr"><is><t>x &amp; y</t></is></c><c t="b"><v>1</v></c></row>' +
        '<row><c r="A5"><v>1.0000000000000002E-1</v></c><c t="str"><f>A1</f><v>7</v></c><c t="e"><v>#N/A</v></c><c s="3"/></row>' +
        '<row r="9"><c r="A9" s="1"/></row>',
      shared,
    ),
  );
  expect(rows).toEqual([
    { row: 2, values: ["a", "", " bcA"] },
    { row: 4, values: ["", "x & y", "true"] },
    { row: 5, values: ["0.1", "7", "#N/A"] },
  ]);
});

test("cells without a value are empty, and a formula without one is a fault of its row", () => {
  const shared = "<sst><si><t>a</t></si></sst>";
  const rows = read(
    build(
      '<row r="1"><c t="s"/><c t="b"><v></v></c><c t="s"><v>0</v></c><c r="XFD1" s="1"/></row>' +
        '<row r="2"><c t="d"><v>2026-11-29T00:00:00.000</v></c><c t="str"><f>""</f><v></v></c></row>' +
        '<row r="3"><c><v>1</v></c><c r="C3"><f>A1+1</f><v/></c></row><row r="4"><c><f>A1</f></c></row>',
      shared,
    ),
  );
  const fault = (column: number) =>
    `The formula in column ${column} has no value: open the file in a spreadsheet program and save it.`;
  expect(rows).toEqual([
    { row: 1, values: ["", "", "a"] },
    { row: 2, values: ["2026-11-29"] },
    { row: 3, values: ["1"], fault: fault(3) },
    { row: 4, values: [], fault: fault(1) },
  ]);
});

test("the first visible sheet that is no chart is read", () => {
  const sheet = (name: string, text: string) => ({
    [`book/${name}.xml`]: toXml(
      `<worksheet><sheetData><row><c t="str"><v>${text}</v></c></row></sheetData>` +
        "<controls><row>9</row></controls></worksheet>",
    ),
  });
  const zip = build("", undefined, {
    "book/main.xml": toXml(
      '<workbook><sheets><sheet name="Chart" r:id="c"/><sheet name="Lists" state="hidden" r:id="h"/>' +
        '<sheet name="Data" r:id="d"/></sheets></workbook>',
    ),
    "book/_rels/main.xml.rels": toXml(
      '<Relationships><Relationship Id="c" Type="x/chartsheet" Target="chart.xml"/>' +
        '<Relationship Id="h" Type="x/worksheet" Target="Hidden.xml"/><Relationship Id="d" Type="x/worksheet" Target="data.xml"/></Relationships>',
    ),
    ...sheet("hidden", "a"),
    ...sheet("data", "b"),
  });
  expect(read(zip)).toEqual([{ row: 1, values: ["b"] }]);
  expect(read(zip, "Lists")).toEqual([{ row: 1, values: ["a"] }]);
});

test("files of streaming writers are read, and damaged ones refused", () => {
  const files = toFiles('<row><c t="s"><v>0</v></c></row>', "<sst><si><t>one</t></si></sst>");
  const zip = _writeZip64(files);
  expect(read(zip)).toEqual([{ row: 1, values: ["one"] }]);
  const text = Buffer.from(zip).indexOf("one<");
  const damaged = Buffer.from(zip);
  damaged.write("two", text);
  expect(fault(damaged)).toBe("The file is damaged or ends early.");
  expect(fault(zip.subarray(0, -1))).toBe("The file is damaged or ends early.");
});

test("the cells of any table are read back", () => {
  const cell = fc.string({ maxLength: 8 }).map((text) => text.replaceAll(/[^ -~\n]|_x/g, ""));
  const toCell = (text: string) =>
    `<c t="inlineStr"><is><t>${text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")}</t></is></c>`;
  fc.assert(
    fc.property(fc.array(fc.array(cell, { maxLength: 5 }), { maxLength: 8 }), (table) => {
      const xml = table.map((cells) => `<row>${cells.map(toCell).join("")}</row>`).join("");
      const expected = table.flatMap((cells, index) => {
        const last = cells.findLastIndex((text) => text !== "");
        return last === -1 ? [] : [{ row: index + 1, values: cells.slice(0, last + 1) }];
      });
      expect(read(build(xml))).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});

test("serial numbers become dates, and columns have letters", () => {
  const is1904 = { is1904: false };
  expect(
    ["1", "59", "61", "46355", "46355.770833333336", "0.5", "-1", "x", "3000000"].map((text) =>
      formatDate(text, is1904),
    ),
  ).toEqual([
    "1900-01-01",
    "1900-02-28",
    "1900-03-01",
    "2026-11-29",
    "2026-11-29T18:30:00Z",
    "12:00:00",
    "-1",
    "x",
    "3000000",
  ]);
  expect(["0", "0.5", "1"].map((text) => formatDate(text, { is1904: true }))).toEqual([
    "1904-01-01",
    "12:00:00",
    "1904-01-02",
  ]);
  expect(["2026-11-29T18:30:00", "2026-11-29", "18:30:00"].map(formatIsoDate)).toEqual([
    "2026-11-29T18:30:00Z",
    "2026-11-29",
    "18:30:00",
  ]);
  expect(
    ["yyyy-mm-dd", "h:mm AM/PM", '"day" 0', "[h]:mm", "General", "[Red]0.00", "0\\d"].map((code) =>
      isDateFormat(164, code),
    ),
  ).toEqual([true, true, false, false, false, false, false]);
  expect([isDateFormat(14, undefined), isDateFormat(2, undefined)]).toEqual([true, false]);
  expect(isDateFormat(164, `yyyy${"[".repeat(1000)}`)).toBe(false);
  expect(["A1", "Z9", "AA10", "XFD1", "1", "a1"].map(parseColumn)).toEqual([
    0,
    25,
    26,
    16_383,
    undefined,
    undefined,
  ]);
});

describe("a workbook is refused", () => {
  const row = (cells: string) => `<row r="3">${cells}</row>`;
  const text = (length: number) => `<c t="inlineStr"><is><t>${"x".repeat(length)}</t></is></c>`;
  const numbers = Array.from({ length: 2000 }, (_, n) => `<c><v>${n * 7919}</v></c>`).join("");
  test.each([
    ["that is no ZIP file", strToU8("a,b\n1,2\n"), "no .xlsx workbook"],
    [
      "that is a ZIP file of something else",
      zipSync({ "a.txt": strToU8("a") }),
      "no .xlsx workbook",
    ],
    ["that ends early", build(row(numbers)).subarray(0, -3000), "damaged or ends early"],
    ["whose XML is malformed", build("<row></c>"), "The XML is malformed"],
    ["that is nested too deeply", build("<a>".repeat(60)), "nested deeper"],
    ["with too many columns", build(row('<c r="XFD3"><v>1</v></c>')), "More than 2000 columns"],
    ["with a text that does not exist", build(row('<c t="s"><v>9</v></c>')), "No text: 9."],
    ["of the old format", Buffer.from("d0cf11e0a1b11ae1", "hex"), "It is an .xls file"],
    ["with an invalid reference", build(row('<c r="?"><v>1</v></c>')), "No cell"],
    [
      "with a row without a number",
      build('<row r="x"><c><v>1</v></c></row>'),
      "No number of a row",
    ],
    ["with a row after the last one", build('<row r="3e9"/>'), "No number of a row"],
    ["with a row twice", build('<row r="2"/><row r="2"/>'), "No number of a row after row 2: 2."],
    ["with a text that is too long", build(row(text(1_000_001))), "longer than 1000000 bytes"],
    [
      "with a row that is too long",
      build(row(text(600_000).repeat(2))),
      "longer than 1000000 bytes",
    ],
    [
      "whose sheet is missing",
      build("", "<sst/>", { "book/_rels/main.xml.rels": toXml("<a/>") }),
      "not in the file",
    ],
  ])("%s", (_, zip, detail) => {
    const found = fault(zip);
    expect(found).toContain(detail);
  });

  test("without the sheet that is asked for", () => {
    expect(fault(build(""), "Two")).toBe('The workbook has no sheet "Two", but "One".');
  });

  test("that declares entities, without expanding them", () => {
    const bomb = `<!DOCTYPE a [<!ENTITY x "${"y".repeat(100)}">]><a>&x;</a>`;
    const zip = build("", "<sst/>", { "texts.xml": strToU8(bomb) });
    expect(fault(zip)).toContain("The XML is malformed");
  });

  test("whose texts are repeated too often", () => {
    const cells = '<c t="s"><v>0</v></c>'.repeat(30);
    const rows = `<row>${cells}</row>`.repeat(600);
    const zip = build(rows, `<sst><si><t>${"x".repeat(30_000)}</t></si></sst>`);
    expect(zip.length).toBeLessThan(20_000);
    expect(fault(zip)).toContain("more than 500000000 characters");
  });

  test("whose list of sheets is a bomb", () => {
    const zip = build("", "<sst/>", { "book/main.xml": new Uint8Array(8_000_001).fill(0x20) });
    expect(fault(zip)).toContain("larger than 8000000 bytes");
  });
});
