/** A moment of a time axis, in milliseconds since 1970. */
export interface Tick {
  at: number;
  text: string;
}

interface Span {
  from: number;
  to: number;
}

const dayMs = 86_400_000;
/** Offsets from UTC are multiples of a quarter of an hour. */
const stepMs = 900_000;
const maxDayTicks = 8;

/** Finds marks in the local time of a zone: every six hours, every day or every Monday. */
export function findTicks(timeZone: string, { from, to }: Span): Tick[] {
  const time = new Intl.DateTimeFormat("en", {
    timeZone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const day = new Intl.DateTimeFormat("en", {
    timeZone,
    weekday: "short",
    month: "short",
    day: "numeric",
  });
  const days = (to - from) / dayMs;
  const ticks: Tick[] = [];
  for (let at = Math.ceil(from / stepMs) * stepMs; at <= to; at += stepMs) {
    const local = time.format(at);
    if (local === "00:00") {
      const text = day.format(at);
      if (days <= maxDayTicks || text.startsWith("Mon")) ticks.push({ at, text });
    } else if (days <= 1 && /^(06|12|18):00$/.test(local)) ticks.push({ at, text: local });
  }
  return ticks;
}

/** Finds the changes of the clock of a zone. */
export function findClockChanges(timeZone: string, { from, to }: Span): Tick[] {
  const format = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" });
  const offset = (at: number) =>
    format.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "";
  const day = new Intl.DateTimeFormat("en", { timeZone, dateStyle: "medium", timeStyle: "short" });
  const changes: Tick[] = [];
  for (let start = from; start < to; start += dayMs) {
    let [low, high] = [start, Math.min(start + dayMs, to)];
    if (offset(low) === offset(high)) continue;
    while (high - low > 1000) {
      const middle = (low + high) / 2;
      if (offset(middle) === offset(low)) low = middle;
      else high = middle;
    }
    const at = Math.round(high / 60_000) * 60_000;
    changes.push({ at, text: `${day.format(at)}: from ${offset(at - 1)} to ${offset(at)}` });
  }
  return changes;
}
