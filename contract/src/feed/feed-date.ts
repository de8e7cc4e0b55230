const isoDate =
  /^(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[t ]+(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?)?)?\s*(z|utc|gmt|[+-]\d\d:?(?:\d\d)?)?$/i;
const mailDate =
  /^(?:[a-z]+\.?,?\s+)?(\d{1,2})[\s-]+([a-z]{3})[a-z]*\.?,?[\s-]+(\d{4}|\d\d)(?:,?\s+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?\s*([a-z]+|[+-]\d\d:?\d\d)?(?:\s*\([^)]*\))?$/i;
const months = "janfebmaraprmayjunjulaugsepoctnovdec";
const zoneHours = new Map([
  ["edt", -4],
  ["est", -5],
  ["cdt", -5],
  ["cst", -6],
  ["mdt", -6],
  ["mst", -7],
  ["pdt", -7],
  ["pst", -8],
]);

/** The moment an RFC 822 or ISO 8601 date means, or null; without a zone, or one of no meaning (RFC 2822, 4.3), it is UTC. */
export function toIsoDate(raw: string): string | null {
  const text = raw.trim();
  if (text.length > 100) return null;
  return parseIso(text) ?? parseMail(text);
}

function parseIso(text: string): string | null {
  const match = isoDate.exec(text);
  if (!match) return null;
  const [, year, month = "1", day = "1", hour, minute, second, fraction = "", zone] = match;
  const milliseconds = Math.trunc(Number(`0.${fraction || 0}`) * 1000);
  const date = [Number(year), Number(month), Number(day)] as const;
  return toIso(date, [hour, minute, second, zone], milliseconds);
}

function parseMail(text: string): string | null {
  const match = mailDate.exec(text);
  if (!match) return null;
  const [, day, monthName = "", shortYear = "", hour, minute, second, zone] = match;
  const at = months.indexOf(monthName.toLowerCase());
  if (at === -1 || at % 3 !== 0) return null;
  const century = Number(shortYear) < 50 ? 2000 : 1900;
  const year = Number(shortYear) + (shortYear.length === 4 ? 0 : century);
  return toIso([year, at / 3 + 1, Number(day)], [hour, minute, second, zone], 0);
}

function toIso(
  [year, month, day]: readonly [number, number, number],
  [rawHour = "0", rawMinute = "0", rawSecond = "0", zone]: readonly (string | undefined)[],
  milliseconds: number,
): string | null {
  const [hour, minute, second] = [Number(rawHour), Number(rawMinute), Number(rawSecond)];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  if (hour > 24 || minute > 59 || second > 60) return null;
  date.setUTCHours(hour, minute - zoneMinutes(zone), second, milliseconds);
  const iso = date.toISOString();
  // Years that neither four digits nor Postgres can hold.
  return /^(?!0000)\d{4}-/.test(iso) ? iso : null;
}

function zoneMinutes(zone = "z"): number {
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(zone);
  if (!offset) return (zoneHours.get(zone.toLowerCase()) ?? 0) * 60;
  const minutes = Number(offset[2]) * 60 + Number(offset[3] ?? 0);
  return offset[1] === "-" ? -minutes : minutes;
}
