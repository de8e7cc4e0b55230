import type { JobType } from "./job-type.ts";

/** A longer value is not searched for: an index entry holds so much and no more. */
const maxTermValueLength = 200;

function labelTerm(label: string): string {
  return `l:${label}`;
}

function fieldTerm(field: string, value: string): string {
  return `f:${field}=${value}`;
}

/** What a job can be found by; null for one without labels and searchable fields. */
export function termsOf(
  { searchable }: Pick<JobType, "searchable">,
  data: unknown,
  labels: readonly string[] | undefined,
): string[] | null {
  if (searchable === undefined && labels === undefined) return null;
  const terms = new Set(labels?.map(labelTerm));
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
