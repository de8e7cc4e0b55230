/** How the serial numbers of a workbook become dates. */
export interface DateSystem {
  /** Days count from 1904 instead of 1900. */
  is1904: boolean;
}

const dayMs = 86_400_000;
/** 1970-01-01 as a serial number. */
const epoch = 25_569;
const epoch1904 = 24_107;
/** 10000-01-01. */
const endOfDates = 2_958_466;

/** Returns a number as spreadsheet programs show it, with at most 15 digits; other text unchanged. */
export function formatNumber(text: string): string {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number)
    ? String(Number(number.toPrecision(15)))
    : text;
}

/**
 * Returns a serial number as ISO 8601: a date (`2026-11-29`), a time in UTC (`2026-11-29T18:30:00Z`) if the number has a
 * fraction, or a time of day (`18:30:00`) below one day. A number that is no date stays a number.
 */
export function formatDate(text: string, { is1904 }: DateSystem): string {
  const serial = Number(text);
  if (text.trim() === "" || !(serial >= 0 && serial < endOfDates)) return formatNumber(text);
  // The year 1900 of spreadsheets has a 29 February.
  const days = is1904 ? serial - epoch1904 : serial - epoch + (serial < 60 ? 1 : 0);
  const time = new Date(Math.round((days * dayMs) / 1000) * 1000).toISOString();
  // In the system of 1904, 0 is a day.
  if (serial < 1 && !(is1904 && serial === 0)) return time.slice(11, 19);
  return time.endsWith("T00:00:00.000Z") ? time.slice(0, 10) : `${time.slice(0, 19)}Z`;
}

/** Returns the date of a cell that has text instead of a serial number, as `formatDate` does. */
export function formatIsoDate(text: string): string {
  const [, day = "", time] = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.\d+)?$/.exec(text) ?? [];
  if (time === undefined) return text;
  return time === "00:00:00" ? day : `${day}T${time}Z`;
}

/** Formats of dates and times that have no code in the file. */
const builtInDates = [
  [14, 22],
  [27, 36],
  [45, 45],
  [47, 47],
  [50, 58],
] as const;

/** The maximum of spreadsheet programs; the time to examine brackets is quadratic. */
const maxFormatLength = 255;

/** Whether numbers of a format are dates; durations (`[h]:mm`) are not. */
export function isDateFormat(id: number, code: string | undefined): boolean {
  if (code === undefined) return builtInDates.some(([from, to]) => id >= from && id <= to);
  if (code.length > maxFormatLength || /\[(h+|m+|s+)\]/i.test(code)) return false;
  const plain = code.replaceAll(/"[^"]*"|\\.|_.|\*.|\[[^\]]*\]/g, "").replaceAll(/general/gi, "");
  return /[dmyhs]/i.test(plain);
}

/** Decodes `_x000D_` and the like, which stand for characters that XML cannot have. */
export function decodeText(text: string): string {
  if (!text.includes("_x")) return text;
  return text.replaceAll(/_x([0-9a-fA-F]{4})_/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}

/** Returns the index of the column of a reference such as `AB12`, from 0; undefined for other text. */
export function parseColumn(reference: string): number | undefined {
  const letters = /^([A-Z]{1,3})\d+$/.exec(reference)?.[1];
  if (letters === undefined) return undefined;
  let column = 0;
  for (const letter of letters) column = column * 26 + letter.charCodeAt(0) - 64;
  return column - 1;
}
