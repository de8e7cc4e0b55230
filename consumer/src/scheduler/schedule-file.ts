import { ConfigError } from "@toril/contract/engine/config/config";
import { escapePointer, findUnstorable } from "@toril/contract/api/json/json";
import { defaultTenant } from "@toril/contract/api/access/api-key";
import { checkDefinition } from "@toril/contract/engine/schedules/check-definition";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { type ScheduleDefinition, ScheduleName } from "@toril/contract/api/schedule";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import {
  deleteOthersOfFile,
  saveSchedule,
  type ScheduleRow,
} from "@toril/contract/engine/schedules/schedule-ledger";
import { openTemplate } from "@toril/contract/engine/schedules/template";

const tenant = defaultTenant;

/**
 * Parses a schedule file, YAML or JSON: names with definitions as in `PUT /v1/schedules/{name}`.
 * @throws ConfigError with the line and field of every error
 */
export function parseScheduleFile(
  jobTypes: JobTypeRegistry,
  path: string,
  text: string,
  keys: KeyRing | undefined,
): ScheduleFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const errors = document.errors.map(
    ({ pos, message }) => `line ${lines.linePos(pos[0]).line}: ${message}`,
  );
  const file = new Map<string, ScheduleDefinition>();
  const addError = (pointer: string, detail: string) => {
    const { line } = lines.linePos(findPosition(document, pointer));
    errors.push(`line ${line}: ${pointer}: ${detail}`);
  };
  for (const [name, value] of errors.length > 0 ? [] : getEntries(document, errors)) {
    const base = `/${escapePointer(name)}`;
    const named = ScheduleName.safeParse(name);
    if (!named.success) addError(base, named.error.issues[0]?.message ?? "");
    const unstorable = findUnstorable(value, 0);
    if (unstorable !== undefined) {
      addError(base + unstorable.pointer, unstorable.detail);
      continue;
    }
    // Webhooks may be registered later, and each run checks the callback URL.
    const callbacks = { receivers: [], isOptional: true };
    const checked = checkDefinition(jobTypes, value, { tenant, callbacks }, keys);
    if (checked.status === "ok") file.set(name, checked.definition);
    else for (const { pointer, detail } of checked.errors) addError(base + pointer, detail);
  }
  if (errors.length > 0) {
    throw new ConfigError(`SCHEDULES_FILE ${path}: ${errors.join("; ")}`);
  }
  return file;
}

function getEntries(document: Document, errors: string[]): [string, unknown][] {
  const value: unknown = document.toJS();
  // An empty file has no schedules.
  if (value === null) return [];
  if (typeof value === "object" && !Array.isArray(value)) return Object.entries(value);
  errors.push("line 1: the file must contain names with their definitions");
  return [];
}

/** Finds the position of a field; for a missing field, the position of its parent. */
function findPosition({ contents }: Document, pointer: string): number {
  let node: unknown = contents;
  let position = 0;
  for (const segment of pointer.split("/").slice(1)) {
    const name = segment.replaceAll("~1", "/").replaceAll("~0", "~");
    const pair = isMap(node) ? node.items.find(({ key }) => getName(key) === name) : undefined;
    const entry: unknown = isSeq(node) ? node.items[Number(name)] : pair?.key;
    if (!isNode(entry) || !entry.range) break;
    position = entry.range[0];
    node = pair === undefined ? entry : pair.value;
  }
  return position;
}

function getName(key: unknown) {
  return isScalar(key) ? String(key.value) : undefined;
}

export type ScheduleFile = ReadonlyMap<string, ScheduleDefinition>;

/** Replaces the schedules with source `file` by those in the file. Unchanged schedules are not written. */
export async function applyFile(
  ledger: Pick<Ledger, "run">,
  jobTypes: JobTypeRegistry,
  file: ScheduleFile,
  keys: KeyRing | undefined,
): Promise<{ saved: string[]; deleted: string[] }> {
  const saved: string[] = [];
  for (const [name, definition] of file) {
    const written = { definition, source: "file" } as const;
    const isSame = (existing: ScheduleRow) =>
      existing.source === "file" && areSame(jobTypes, existing, definition, keys);
    const { status } = await ledger.run((sql) =>
      saveSchedule(sql, { tenant, name }, written, { jobTypes, keys, isSame }),
    );
    if (status !== "unchanged") saved.push(name);
  }
  const deleted = await ledger.run((sql) => deleteOthersOfFile(sql, tenant, [...file.keys()]));
  return { saved, deleted };
}

/** Compares decrypted secrets: the same secret encrypts differently each time. */
function areSame(
  jobTypes: JobTypeRegistry,
  { id, definition }: ScheduleRow,
  other: ScheduleDefinition,
  keys: KeyRing | undefined,
) {
  const opened = openTemplate(jobTypes, definition.job, id, keys);
  if (opened.status !== "ok") return false;
  return toCanonicalJson({ ...definition, job: opened.job }) === toCanonicalJson(other);
}

function toCanonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, nested: unknown) =>
    typeof nested === "object" && nested !== null && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}
