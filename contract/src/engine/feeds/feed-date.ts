const isoDate =
  /^(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[t ]+(\d\d?):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?\s*([ap]\.?m\.?)?)?)?)?\s*([a-z]+|(?:utc|gmt)?[+-]\d\d:?(?:\d\d)?)?$/i;
const mailDate =
  /^(?:[a-z]+\.?,?\s+)?(\d{1,2})(?:\s+|-)([a-z]{3,})\.?,?(?:\s+|-)(\d{4}|\d\d)(?:,?\s+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*([ap]\.?m\.?)?)?\s*([a-z]+|(?:utc?|gmt)?[+-]\d\d:?\d\d)?(?:\s*\([^)]*\))?$/i;
const months =
  "january february march april may june july august september october november december".split(
    " ",
  );

/**
 * Zone abbreviations and their offset from UTC in hours: the zones of RFC 822 and unambiguous others. IST, BST and the
 * military letters are left out, because RFC 2822 calls them unreliable.
 */
const zoneHours = new Map([
  ...["z", "ut", "utc", "gmt", "wet"].map((zone) => [zone, 0] as const),
  ...["est", "cdt"].map((zone) => [zone, -5] as const),
  ...["cst", "mdt"].map((zone) => [zone, -6] as const),
  ...["mst", "pdt"].map((zone) => [zone, -7] as const),
  ...["pst", "akdt"].map((zone) => [zone, -8] as const),
  ...["cet", "met", "west"].map((zone) => [zone, 1] as const),
  ...["cest", "mest", "eet", "sast"].map((zone) => [zone, 2] as const),
  ...["eest", "msk"].map((zone) => [zone, 3] as const),
  ...["awst", "hkt"].map((zone) => [zone, 8] as const),
  ...["jst", "kst"].map((zone) => [zone, 9] as const),
  ["edt", -4],
  ["akst", -9],
  ["hst", -10],
  ["acst", 9.5],
  ["acdt", 10.5],
  ["aest", 10],
  ["aedt", 11],
  ["nzst", 12],
  ["nzdt", 13],
]);
/** The offsets in use, from Baker Island (UTC-12) to the Line Islands (UTC+14). */
const offsetMinutes = { min: -12 * 60, max: 14 * 60 };

/** Parses an RFC 822 or ISO 8601 date to ISO 8601; UTC if the date has no zone. Returns null for an ambiguous date. */
export function toIsoDate(raw: string): string | null {
  const text = raw.trim();
  if (text.length > 100) return null;
  return parseIso(text) ?? parseMail(text);
}

interface TimeOfDay {
  hour: string | undefined;
  minute: string | undefined;
  second: string | undefined;
  /** AM or PM. */
  half: string | undefined;
  zone: string | undefined;
}

function parseIso(text: string): string | null {
  const match = isoDate.exec(text);
  if (!match) return null;
  const [, year, month = "1", day = "1", hour, minute, second, fraction = "0", half, zone] = match;
  const milliseconds = Math.trunc(Number(`0.${fraction}`) * 1000);
  const date = [Number(year), Number(month), Number(day)] as const;
  return toIso(date, { hour, minute, second, half, zone }, milliseconds);
}

function parseMail(text: string): string | null {
  const match = mailDate.exec(text);
  if (!match) return null;
  const [, day, monthName = "", shortYear = "", hour, minute, second, half, zone] = match;
  const month = months.findIndex((name) => name.startsWith(monthName.toLowerCase())) + 1;
  if (month === 0) return null;
  const century = Number(shortYear) < 50 ? 2000 : 1900;
  const year = Number(shortYear) + (shortYear.length === 4 ? 0 : century);
  return toIso([year, month, Number(day)], { hour, minute, second, half, zone }, 0);
}

function toIso(
  [year, month, day]: readonly [number, number, number],
  time: TimeOfDay,
  milliseconds: number,
): string | null {
  const hour = getHour(time);
  const offset = getOffset(time.zone);
  const minute = Number(time.minute ?? 0);
  const second = Number(time.second ?? 0);
  if (hour === null || offset === null || minute > 59 || second > 60) return null;
  if (hour === 24 && minute + second + milliseconds > 0) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  date.setUTCHours(hour, minute - offset, second, milliseconds);
  const iso = date.toISOString();
  // Neither four digits nor Postgres can represent other years.
  return /^(?!0000)\d{4}-/.test(iso) ? iso : null;
}

function getHour({ hour = "0", half }: TimeOfDay): number | null {
  const value = Number(hour);
  if (half === undefined) return value <= 24 ? value : null;
  if (value < 1 || value > 12) return null;
  return (value % 12) + (/^p/i.test(half) ? 12 : 0);
}

/** Returns the offset from UTC in minutes; null for an unknown zone. */
function getOffset(zone = "z"): number | null {
  const match = /^(?:utc?|gmt)?([+-])(\d\d):?(\d\d)?$/i.exec(zone);
  if (!match) {
    const hours = zoneHours.get(zone.toLowerCase());
    return hours === undefined ? null : hours * 60;
  }
  const [, sign, hours, minutes = "0"] = match;
  if (Number(minutes) > 59) return null;
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  return offset < offsetMinutes.min || offset > offsetMinutes.max ? null : offset;
}
