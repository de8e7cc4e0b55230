import type { z } from "zod";
import { escapePointer } from "../json/json.ts";

/**
 * Marks a field of the data of a job type as secret: it is encrypted before it is stored, decrypted only for the handler,
 * and never returned by the API. The field may be anywhere in the data and have any JSON value.
 */
export function secret<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ ...schema.meta(), writeOnly: true });
}

/** Returns whether a schema is marked as secret, by OpenAPI's `writeOnly`. */
function isSecret(schema: z.ZodType): boolean {
  return schema.meta()?.["writeOnly"] === true;
}

/** The placeholder of a secret in responses. */
export const secretShown = "[secret]";

/** A secret value: `holder[name]`. */
export interface SecretField {
  holder: Record<string, unknown>;
  name: string;
  /** JSON Pointer into the data. */
  pointer: string;
}

/** Finds the secret values in data, which need not match its schema. */
export type FindSecretFields = (data: unknown) => SecretField[];

/** A subschema, and the part of the value that it describes. */
type Part = { schema: z.ZodType } & (
  | { of: "itself" }
  | { of: "field"; name: string }
  /** Every item or value, except those of named fields. */
  | { of: "rest"; except: ReadonlySet<string> }
);

/** Returns a function that finds the secret values of a schema; undefined for a schema without secrets. */
export function createFindSecretFields(root: z.ZodType): FindSecretFields | undefined {
  const { leading, secret } = explore(root);
  if (secret.has(root))
    throw new TypeError("Only fields of the data can be secret, not the data as a whole.");
  if (!leading.has(root)) return undefined;

  function visit(schema: z.ZodType, value: unknown, pointer: string, found: Found) {
    if (typeof value !== "object" || value === null) return;
    const holder = value as Record<string, unknown>;
    for (const part of leading.get(schema) ?? []) {
      if (part.of === "itself") visit(part.schema, value, pointer, found);
      for (const name of getNames(part, holder)) {
        const place = { holder, name, pointer: `${pointer}/${escapePointer(name)}` };
        if (secret.has(part.schema)) found.set(place.pointer, place);
        else visit(part.schema, holder[name], place.pointer, found);
      }
    }
  }

  return (data) => {
    const found: Found = new Map();
    visit(root, data, "", found);
    return [...found.values()];
  };
}

type Found = Map<string, SecretField>;

function getNames(part: Part, holder: Record<string, unknown>): string[] {
  if (part.of === "itself") return [];
  const names = part.of === "field" ? [part.name] : Object.keys(holder);
  return names.filter((name) => {
    const isNone =
      !Object.hasOwn(holder, name) || holder[name] === undefined || holder[name] === null;
    return !isNone && !(part.of === "rest" && part.except.has(name));
  });
}

/**
 * Collects the secret schemas, including wrapped ones, and for each of their ancestors the parts that lead to a secret.
 * Schemas may be recursive.
 */
function explore(root: z.ZodType) {
  const all = new Map<z.ZodType, Part[]>([[root, []]]);
  // The loop also visits entries that are added during the iteration.
  for (const [schema, parts] of all) {
    parts.push(...splitIntoParts(schema));
    for (const part of parts) if (!all.has(part.schema)) all.set(part.schema, []);
  }
  const secret = spread(
    all,
    new Set([...all.keys()].filter(isSecret)),
    (part) => part.of === "itself",
  );
  const above = spread(all, new Set(secret), () => true);
  const leading = new Map(
    [...above].map((schema) => [
      schema,
      (all.get(schema) ?? []).filter((part) => above.has(part.schema)),
    ]),
  );
  return { leading, secret };
}

/** Adds to `found` every schema with a wanted part in `found`, until nothing changes. */
function spread(
  all: ReadonlyMap<z.ZodType, Part[]>,
  found: Set<z.ZodType>,
  isWanted: (part: Part) => boolean,
) {
  for (let size = -1; size < found.size;) {
    size = found.size;
    for (const [schema, parts] of all) {
      if (parts.some((part) => isWanted(part) && found.has(part.schema))) found.add(schema);
    }
  }
  return found;
}

function splitIntoParts(schema: z.ZodType): Part[] {
  const def = getDef(schema);
  const itself = (...schemas: z.core.$ZodType[]) =>
    schemas.map((one): Part => ({ of: "itself", schema: asZodType(one) }));
  const rest = (one: z.core.$ZodType, except: readonly string[] = []): Part => ({
    of: "rest",
    schema: asZodType(one),
    except: new Set(except),
  });
  switch (def.type) {
    case "object":
      return [
        ...Object.entries(def.shape).map(([name, one]) => field(name, one)),
        ...(def.catchall ? [rest(def.catchall, Object.keys(def.shape))] : []),
      ];
    case "array":
      return [rest(def.element)];
    case "tuple":
      return [
        ...def.items.map((one, index) => field(String(index), one)),
        ...(def.rest ? [rest(def.rest, Object.keys(def.items))] : []),
      ];
    case "record":
      return [rest(def.valueType)];
    case "union":
      return itself(...def.options);
    case "intersection":
      return itself(def.left, def.right);
    case "pipe":
      return itself(def.in, def.out);
    case "lazy":
      return itself(def.getter());
    case "optional":
    case "nullable":
    case "nonoptional":
    case "readonly":
    case "default":
    case "prefault":
    case "catch":
    case "success":
      return itself(def.innerType);
    case "string":
    case "number":
    case "boolean":
    case "bigint":
    case "symbol":
    case "null":
    case "undefined":
    case "void":
    case "never":
    case "any":
    case "unknown":
    case "date":
    case "enum":
    case "literal":
    case "file":
    case "nan":
    case "template_literal":
    case "transform":
    case "custom":
      return [];
    case "map":
    case "set":
    case "promise":
    case "function":
      break;
  }
  throw new Error(`data that comes as JSON cannot be a ${def.type}`);
}

/** Sound because every schema is of one of zod's own kinds. */
function getDef(schema: z.ZodType) {
  return (schema as unknown as z.core.$ZodTypes)._zod.def;
}

function field(name: string, schema: z.core.$ZodType): Part {
  return { of: "field", name, schema: asZodType(schema) };
}

/** Sound because nothing here is made with zod's mini flavour. */
function asZodType(schema: z.core.$ZodType): z.ZodType {
  return schema as z.ZodType;
}
