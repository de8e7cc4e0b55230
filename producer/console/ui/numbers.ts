const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const grouped = new Intl.NumberFormat("en");

/** 42,049 */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** 42K */
export function formatCompact(value: number): string {
  return compact.format(value);
}

export function formatRate(value: number): string {
  if (value > 0 && value < 0.1) return "< 0.1";
  return value >= 100 ? formatCompact(value) : value.toFixed(value >= 10 || value === 0 ? 0 : 1);
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value.toFixed(value < 10 && power > 0 ? 1 : 0)} ${units[power]}`;
}

/** 1 job, 2 jobs */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
