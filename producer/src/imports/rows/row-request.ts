import { toThrownText } from "@toril/contract/api/job-data/parse-safely";
import { createRowMapping } from "@toril/contract/api/job-data/row-data";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { rowImport } from "@toril/contract/api/job-types/row-import";
import type { JobType } from "@toril/contract/api/job-type";
import { toProblem } from "@toril/contract/api/problem";
import type { RowOptions } from "@toril/contract/api/row-options";
import { type Bad, createMapping, getOwn, type Missing, type RowValues } from "./map-fields.ts";

/** A row of a file whose rows have columns, or an object. */
export interface FileRow<Values = RowValues> {
  importId: string;
  row: number;
  values: Values;
}

export type RowRequest = { status: "ok"; request: unknown } | Bad;
/** The schema of the job type accepts the request. */
export type ValidRequest = { status: "valid"; request: JobRequest };

/** Returns the function that converts a row of a file to an enqueue request. */
export function createRowRequest(
  jobType: JobType,
  rowOptions: RowOptions = {},
): (row: FileRow<Record<string, string>>) => RowRequest | ValidRequest | Missing {
  const { mapping, key, options } = rowOptions;
  const toData = createRowMapping(jobType, toDataOptions(rowOptions));
  const toKey = key === undefined ? undefined : createKeyTemplate(key);
  const map = mapping === undefined ? undefined : createMapping(mapping, false);
  const { type } = jobType;
  if (map === undefined && toKey === undefined && options === undefined) {
    // These data are a row as it is. Validation would cost as much as reading the row.
    if (jobType.data === rowImport.data) {
      return (row) => ({ status: "valid", request: { type, data: row } });
    }
    return (row) => convert(toData, row, (data) => ({ status: "ok", request: { type, data } }));
  }
  const toRequest = createRequest(type, options);
  return (row) => {
    const { values } = row;
    const mapped = map?.(values) ?? { status: "ok" as const, values };
    if (mapped.status !== "ok") return mapped;
    const keyOfRow = toKey?.(values);
    if (keyOfRow !== undefined && keyOfRow.status !== "ok") return keyOfRow;
    return convert(toData, { ...row, values: toTexts(mapped.values) }, (data) =>
      toRequest(data, keyOfRow?.value),
    );
  };
}

/**
 * Returns the function that converts an object of a file to an enqueue request. Values keep their types; a job type with
 * `fromRow` gets them as text. An object may lack members.
 */
export function createObjectRequest(
  jobType: JobType,
  rowOptions: RowOptions = {},
): (row: FileRow) => RowRequest {
  const { mapping, key, options } = rowOptions;
  const toData = createRowMapping(jobType, { ...toDataOptions(rowOptions), keepsTypes: true });
  const takesText = jobType.fromRow !== undefined;
  const toKey = key === undefined ? undefined : createKeyTemplate(key);
  const map = mapping === undefined ? undefined : createMapping(mapping, true);
  const toRequest = createRequest(jobType.type, options);
  return (row) => {
    const texts = takesText || toKey !== undefined ? formatValues(row.values) : {};
    const values = takesText ? texts : row.values;
    const mapped = map?.(values) ?? { status: "ok" as const, values };
    if (mapped.status !== "ok") return toBad(mapped);
    const keyOfRow = toKey?.(texts);
    if (keyOfRow !== undefined && keyOfRow.status !== "ok") return toBad(keyOfRow);
    return convert(toData, { ...row, values: toTexts(mapped.values) }, (data) =>
      toRequest(data, keyOfRow?.value),
    );
  };
}

/** Rejects a row for which the `fromRow` of its job type throws. */
function convert<Row>(
  toData: (row: Row) => unknown,
  row: Row,
  toRequest: (data: unknown) => RowRequest,
): RowRequest {
  let data: unknown;
  try {
    data = toData(row);
  } catch (thrown) {
    const detail = `The row cannot be converted: ${toThrownText(thrown)}`;
    return { status: "bad", problem: toProblem("invalid-job", detail) };
  }
  return toRequest(data);
}

function toBad(read: Bad | Missing): Bad {
  if (read.status === "bad") return read;
  const detail = `The object has no member ${JSON.stringify(read.column)}.`;
  return { status: "bad", problem: toProblem("invalid-job", detail) };
}

function toDataOptions({ unknownColumns }: RowOptions) {
  return { ignoresUnknown: unknownColumns === "ignore" };
}

/** A value need not be text: the schema of the job type reports a value of another type. */
function toTexts(values: RowValues): Record<string, string> {
  return values as Record<string, string>;
}

function createRequest(type: string, options: RowOptions["options"]) {
  // A key policy without a key is refused.
  const { keyPolicy: _, ...optionsWithoutKey } = options ?? {};
  return (data: unknown, key = ""): RowRequest => ({
    status: "ok",
    request: key === "" ? { type, data, ...optionsWithoutKey } : { type, data, ...options, key },
  });
}

/** A template has columns in braces; other text is the name of a column. A row whose columns are all empty has no key. */
function createKeyTemplate(
  template: string,
): (values: Readonly<Record<string, string>>) => { status: "ok"; value: string } | Missing {
  if (!template.includes("{")) {
    return (values) => {
      const value = getOwn(values, template);
      return value === undefined
        ? { status: "missing-column", column: template }
        : { status: "ok", value };
    };
  }
  return (values) => {
    let unknown: string | undefined;
    let isEmpty = true;
    const value = template.replaceAll(/\{([^{}]+)\}/g, (_, column: string) => {
      const text = getOwn(values, column);
      if (text === undefined) unknown ??= column;
      isEmpty &&= (text ?? "") === "";
      return text ?? "";
    });
    if (unknown !== undefined) return { status: "missing-column", column: unknown };
    return { status: "ok", value: isEmpty ? "" : value };
  };
}

function formatValues(values: RowValues): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === "string" ? value : value === null ? "" : JSON.stringify(value),
    ]),
  );
}
