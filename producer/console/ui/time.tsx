import { useEffect, useState } from "preact/hooks";
import { units } from "./durations.ts";

export function formatTime(at: string): string {
  const date = new Date(at);
  const pad = (value: number, length = 2) => String(value).padStart(length, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return `${day} ${time}.${pad(date.getMilliseconds(), 3)}`;
}

/** The current time, updated every few seconds, for all relative times at once. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const update = () => setNow(Date.now());
    tickers.add(update);
    return () => void tickers.delete(update);
  }, []);
  return now;
}
const tickers = new Set<() => void>();
setInterval(() => {
  for (const update of tickers) update();
}, 5000);

/** A relative time; the absolute time is its tooltip. */
export function Time({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (at === null || at === undefined) return <span class="muted">–</span>;
  const distance = Date.parse(at) - now;
  const seconds = Math.max(1, Math.round(Math.abs(distance) / 1000));
  const [unit, size] = units.find(([, size]) => seconds * 1000 >= size) ?? ["s", 1000];
  const amount = `${Math.floor((seconds * 1000) / size)} ${unit}`;
  const text =
    Math.abs(distance) < 2000 ? "just now" : distance < 0 ? `${amount} ago` : `in ${amount}`;
  return (
    <time dateTime={at} title={formatTime(at)}>
      {text}
    </time>
  );
}
