import { createRowMapping } from "@toril/contract/api/job-data/row-data";
import type { JobType } from "@toril/contract/api/job-type";
import { type Problem, toProblem } from "@toril/contract/api/problem";
import type { RowOptions } from "@toril/contract/api/row-options";
import { createKeyTemplate } from "./row-request.ts";

export interface ObjectRow {
  importId: string;
  row: number;
  values: Record<string, unknown>;
}

export type ObjectRequest =
  | { status: "ok"; request: unknown }
  | { status: "bad"; problem: Problem };

/**
 * Returns the function that converts an object of a file to an enqueue request. Values keep their types; a job type with
 * `fromRow` gets them as text.
 */
export function createObjectRequest(
  jobType: JobType,
  { key, unknownColumns }: Pick<RowOptions, "key" | "unknownColumns"> = {},
): (row: ObjectRow) => ObjectRequest {
  const { type } = jobType;
  const ignoresUnknown = unknownColumns === "ignore";
  const toData = createRowMapping(jobType, { ignoresUnknown, keepsTypes: true });
  const takesText = jobType.fromRow !== undefined;
  const toKey = key === undefined ? undefined : createKeyTemplate(key);
  return (row) => {
    const texts = takesText || toKey !== undefined ? toTexts(row.values) : {};
    // The schema of the job type reports a value of another type.
    const values = takesText ? { ...texts } : (row.values as Record<string, string>);
    const data = toData({ ...row, values });
    const keyOfRow = toKey?.(texts);
    if (keyOfRow?.status === "missing-column") {
      const detail = `The object has no member ${JSON.stringify(keyOfRow.column)}.`;
      return { status: "bad", problem: toProblem("invalid-job", detail) };
    }
    const { value: ownKey = "" } = keyOfRow ?? {};
    return { status: "ok", request: { type, data, ...(ownKey === "" ? {} : { key: ownKey }) } };
  };
}

/** Returns an object without inherited members, such as `constructor`. */
function toTexts(values: Record<string, unknown>): Record<string, string> {
  const texts = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(values)) {
    texts[name] = typeof value === "string" ? value : value === null ? "" : JSON.stringify(value);
  }
  return texts;
}
