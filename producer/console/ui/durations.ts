export const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** Formats a duration with its largest unit: `340 ms`, `2.4 s`, `1.5 min`, `12 min`. */
export function formatDuration(ms: number): string {
  if (ms < 10 && !Number.isInteger(ms)) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  // A value that would be rounded to the next unit has that unit.
  const [unit, size] = units.find(([, size]) => ms >= size * 0.9995) ?? ["s", 1000];
  const amount = ms / size;
  return `${amount < 9.95 ? amount.toFixed(1).replace(/\.0$/, "") : Math.round(amount)} ${unit}`;
}

/** Formats an interval exactly: `1 h 30 min`. */
export function formatInterval(ms: number): string {
  let rest = ms;
  const parts = [...units, ["ms", 1] as const].flatMap(([unit, size]) => {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    return amount > 0 ? [`${amount} ${unit}`] : [];
  });
  return parts.join(" ");
}
