const parts = { yyyy: "year", MM: "month", dd: "day", HH: "hour", mm: "minute", ss: "second" };
type Part = keyof typeof parts;

/**
 * Returns a function that reads dates of a format of `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss` as ISO 8601: a date, or with
 * hours a time in UTC. Without a format it reads ISO 8601. The function returns undefined for text that is no such date.
 */
export function createDateReader(format: string | undefined): (text: string) => string | undefined {
  if (format === undefined) return readIso;
  const names: Part[] = [];
  const pattern = format.replaceAll(/yyyy|MM|dd|HH|mm|ss|[^a-zA-Z]|T/g, (token) => {
    if (!(token in parts)) return token.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
    names.push(token as Part);
    return token === "yyyy" ? String.raw`(\d{4})` : String.raw`(\d{1,2})`;
  });
  const expression = new RegExp(`^\\s*${pattern}\\s*$`);
  return (text) => {
    const found = expression.exec(text);
    if (found === null) return undefined;
    const read = (name: Part) => {
      const index = names.indexOf(name);
      return (index === -1 ? "0" : (found[index + 1] ?? "0")).padStart(2, "0");
    };
    const date = `${read("yyyy")}-${read("MM")}-${read("dd")}`;
    const time = `${date}T${read("HH")}:${read("mm")}:${read("ss")}Z`;
    // A day that the month does not have becomes another day.
    const isReal = toIso(time) === time;
    if (!isReal) return undefined;
    return names.includes("HH") ? time : date;
  };
}

function readIso(text: string): string | undefined {
  const trimmed = text.trim();
  const isIso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(
    trimmed,
  );
  if (!isIso) return undefined;
  const day = `${trimmed.slice(0, 10)}T00:00:00Z`;
  return toIso(day) === day && toIso(trimmed) !== undefined ? trimmed : undefined;
}

function toIso(text: string): string | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString().replace(".000Z", "Z");
}
