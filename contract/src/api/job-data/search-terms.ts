import type { JobType } from "../job-type.ts";

/** Maximum length of a searchable value. Longer values are not indexed, because the size of an index entry is limited. */
export const maxTermValueLength = 200;

export function labelTerm(label: string): string {
  return `l:${label}`;
}

export function fieldTerm(field: string, value: string): string {
  return `f:${field}=${value}`;
}

export function scheduleTerm(schedule: string): string {
  return `s:${schedule}`;
}

/** Returns the search terms of a job; null for a job without labels, schedule and searchable values. */
export function toSearchTerms(
  { searchable }: Pick<JobType, "searchable">,
  data: unknown,
  { labels, schedule }: { labels?: readonly string[] | undefined; schedule?: string | undefined },
): string[] | null {
  if ((searchable ?? labels ?? schedule) === undefined) return null;
  const terms = new Set(labels?.map(labelTerm));
  if (schedule !== undefined) terms.add(scheduleTerm(schedule));
  for (const field of searchable ?? []) {
    const value = readField(data, field);
    if (!isFindable(value)) continue;
    const text = String(value);
    if (text.length <= maxTermValueLength) terms.add(fieldTerm(field, text));
  }
  return terms.size === 0 ? null : [...terms];
}

/** Reads a field of the data; `customer.id` is a field of a field, unless one has that name. */
function readField(data: unknown, field: string): unknown {
  if (typeof data !== "object" || data === null) return undefined;
  if (Object.hasOwn(data, field)) return (data as Record<string, unknown>)[field];
  const dot = field.indexOf(".");
  if (dot === -1) return undefined;
  const outer = readField(data, field.slice(0, dot));
  return readField(outer, field.slice(dot + 1));
}

function isFindable(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
