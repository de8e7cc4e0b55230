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
    const value = (data as Record<string, unknown>)[field];
    if (!isFindable(value)) continue;
    const text = String(value);
    if (text.length <= maxTermValueLength) terms.add(fieldTerm(field, text));
  }
  return terms.size === 0 ? null : [...terms];
}

function isFindable(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
