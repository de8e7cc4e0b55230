import { ConfigError } from "@toril/contract/engine/config/config";
import { escapePointer, findUnstorable } from "@toril/contract/api/json";
import { defaultTenant } from "@toril/contract/api/api-key";
import { checkDefinition } from "@toril/contract/engine/schedules/check-definition";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { type ScheduleDefinition, ScheduleName } from "@toril/contract/api/schedule";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { ScheduleFile } from "./apply-file.ts";

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
  const complaints = document.errors.map(
    ({ pos, message }) => `line ${lines.linePos(pos[0]).line}: ${message}`,
  );
  const file = new Map<string, ScheduleDefinition>();
  const complain = (pointer: string, detail: string) => {
    const { line } = lines.linePos(positionOf(document, pointer));
    complaints.push(`line ${line}: ${pointer}: ${detail}`);
  };
  for (const [name, value] of complaints.length > 0 ? [] : entriesOf(document, complaints)) {
    const base = `/${escapePointer(name)}`;
    const named = ScheduleName.safeParse(name);
    if (!named.success) complain(base, named.error.issues[0]?.message ?? "");
    const unstorable = findUnstorable(value, 0);
    if (unstorable !== undefined) {
      complain(base + unstorable.pointer, unstorable.detail);
      continue;
    }
    const checked = checkDefinition(jobTypes, value, defaultTenant, keys);
    if (checked.status === "ok") file.set(name, checked.definition);
    else for (const { pointer, detail } of checked.errors) complain(base + pointer, detail);
  }
  if (complaints.length > 0) {
    throw new ConfigError(`SCHEDULES_FILE ${path}: ${complaints.join("; ")}`);
  }
  return file;
}

function entriesOf(document: Document, complaints: string[]): [string, unknown][] {
  const value: unknown = document.toJS();
  // An empty file has no schedules.
  if (value === null) return [];
  if (typeof value === "object" && !Array.isArray(value)) return Object.entries(value);
  complaints.push("line 1: it must hold names with their definitions");
  return [];
}

/** Finds the position of a field; for a missing field, the position of its parent. */
function positionOf({ contents }: Document, pointer: string): number {
  let node: unknown = contents;
  let position = 0;
  for (const segment of pointer.split("/").slice(1)) {
    const name = segment.replaceAll("~1", "/").replaceAll("~0", "~");
    const pair = isMap(node) ? node.items.find(({ key }) => nameOf(key) === name) : undefined;
    const entry: unknown = isSeq(node) ? node.items[Number(name)] : pair?.key;
    if (!isNode(entry) || !entry.range) break;
    position = entry.range[0];
    node = pair === undefined ? entry : pair.value;
  }
  return position;
}

function nameOf(key: unknown) {
  return isScalar(key) ? String(key.value) : undefined;
}
