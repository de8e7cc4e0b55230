import type { PostgresType } from "postgres";

type Values = readonly (string | number | null)[];

/**
 * The array types of statement parameters, for use with `fetch_types: false`. postgres.js would fetch the types on each
 * new connection; if the connection broke, the unhandled rejection would crash the process.
 */
export const arrayTypes: Record<string, PostgresType> = {
  smallints: arrayType(1005, toPlainLiteral),
  integers: arrayType(1007, toPlainLiteral),
  texts: arrayType(1009, toTextLiteral),
  floats: arrayType(1022, toPlainLiteral),
  timestamps: arrayType(1185, toPlainLiteral),
  uuids: arrayType(2951, toPlainLiteral),
};

function arrayType(oid: number, serialize: (values: Values) => string): PostgresType {
  return { to: oid, from: [oid], serialize, parse: (text: string) => text };
}

/** For values that need no quotes. */
function toPlainLiteral(values: Values): string {
  if (!values.includes(null)) return `{${values.join(",")}}`;
  return `{${values.map((value) => value ?? "null").join(",")}}`;
}

function toTextLiteral(values: Values): string {
  return `{${values.map((value) => (value === null ? "null" : quote(String(value)))).join(",")}}`;
}

function quote(text: string) {
  // Faster than one replacement by a pattern.
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
