/** The parts of an OpenAPI 3.1 schema that are compared. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  [keyword: string]: unknown;
}

export interface Document {
  components?: { schemas?: Record<string, Schema> };
}

export interface BreakingChange {
  /** Path below `components/schemas`: `JobRequest.echo/properties/data/required`. */
  pointer: string;
  detail: string;
}

/** A schema with the targets of its references, by the last segment of the references. */
export interface SchemaWithDefinitions {
  schema: Schema;
  definitions: Record<string, Schema>;
}

/** Finds values that are valid for `before` and not for `after`. */
export function compareSchemas(
  before: SchemaWithDefinitions,
  after: SchemaWithDefinitions,
  pointer: string,
): BreakingChange[] {
  const [old, now] = [before.definitions, after.definitions];
  return createComparison(old, now, isEqual(old, now))(before.schema, after.schema, pointer);
}

const requests = "JobRequest.";

/** Finds requests that were valid for a job type and no longer are. */
export function breakingChanges(before: Document, after: Document): BreakingChange[] {
  const old = before.components?.schemas ?? {};
  const names = Object.keys(old).filter((name) => name.startsWith(requests));
  const compare = createComparison(old, after.components?.schemas ?? {});
  return names.flatMap((name) =>
    after.components?.schemas?.[name] === undefined
      ? [{ pointer: name, detail: "the job type was removed" }]
      : compare({ $ref: refTo(name) }, { $ref: refTo(name) }, name),
  );
}

type Compare = (before: Schema, after: Schema, pointer: string) => BreakingChange[];

/** @param areTargetsEqual whether references in keywords that are only compared as a text have equal targets */
function createComparison(
  old: Record<string, Schema>,
  now: Record<string, Schema>,
  areTargetsEqual = true,
): Compare {
  const visiting = new Set<string>();

  const compare: Compare = (before, after, pointer) => {
    if (before.$ref !== undefined || after.$ref !== undefined) {
      const pair = JSON.stringify([before.$ref ?? before, after.$ref ?? after]);
      if (visiting.has(pair)) return [];
      visiting.add(pair);
      const changes = compare(resolve(before, old), resolve(after, now), pointer);
      visiting.delete(pair);
      return changes;
    }
    const isConstrained = hasConstrainedChoice(before) || hasConstrainedChoice(after);
    if (isConstrained && !isEqual(before, after)) {
      const detail = "changed: choices beside other keywords cannot be compared";
      return [{ pointer, detail }];
    }
    const choices = before.anyOf ?? before.oneOf;
    if (choices !== undefined) {
      return choices.flatMap((choice, at) => compare(choice, after, `${pointer}/anyOf/${at}`));
    }
    const offered = after.anyOf ?? after.oneOf;
    if (offered !== undefined) return compareWithChoice(before, offered, pointer);
    return [
      ...compareTypes(before, after, pointer),
      ...compareValues(before, after, pointer),
      ...compareLimits(before, after, pointer, areTargetsEqual),
      ...compareFields(before, after, pointer),
      ...compareParts(before, after, pointer),
    ];
  };

  /** One compatible alternative is enough; otherwise the differences to the closest one are reported. */
  function compareWithChoice(before: Schema, offered: readonly Schema[], pointer: string) {
    const each = offered.map((choice) => compare(before, choice, pointer));
    return each.toSorted((a, b) => a.length - b.length)[0] ?? [];
  }

  function compareFields(before: Schema, after: Schema, pointer: string): BreakingChange[] {
    const { properties: had = {}, required: needed = [] } = before;
    const { properties: has = {}, required: needs = [] } = after;
    const isClosed = after.additionalProperties === false;
    const changes = needs
      .filter((name) => !needed.includes(name))
      .map((name) => ({ pointer: `${pointer}/required`, detail: `${name} is required now` }));
    for (const [name, schema] of Object.entries(had)) {
      const below = `${pointer}/properties/${name}`;
      const kept = has[name];
      if (kept !== undefined) changes.push(...compare(schema, kept, below));
      else if (isClosed) changes.push({ pointer: below, detail: "the field was removed" });
    }
    if (isClosed && isObject(before) && before.additionalProperties !== false) {
      const detail = "unknown fields are refused now";
      changes.push({ pointer: `${pointer}/additionalProperties`, detail });
    }
    return changes;
  }

  function compareParts(before: Schema, after: Schema, pointer: string): BreakingChange[] {
    const changes: BreakingChange[] = [];
    if (after.items) changes.push(...compare(before.items ?? {}, after.items, `${pointer}/items`));
    if (typeof after.additionalProperties === "object") {
      const others = before.additionalProperties;
      const below = `${pointer}/additionalProperties`;
      const had = typeof others === "object" ? others : {};
      if (others !== false) changes.push(...compare(had, after.additionalProperties, below));
    }
    for (const [at, part] of (after.allOf ?? []).entries()) {
      const known = before.allOf?.map((one) => compare(one, part, `${pointer}/allOf/${at}`));
      changes.push(
        ...(known?.toSorted((a, b) => a.length - b.length)[0] ??
          compare({ ...before, allOf: [] }, part, `${pointer}/allOf/${at}`)),
      );
    }
    return changes;
  }

  return compare;
}

function compareTypes(before: Schema, after: Schema, pointer: string): BreakingChange[] {
  const [had, has] = [getTypes(before), getTypes(after)];
  if (has === undefined) return [];
  const isTaken = (type: string) =>
    has.includes(type) || (type === "integer" && has.includes("number"));
  const lost = had === undefined ? ["anything"] : had.filter((type) => !isTaken(type));
  return lost.map((type) => ({ pointer: `${pointer}/type`, detail: `${type} is refused now` }));
}

function compareValues(before: Schema, after: Schema, pointer: string): BreakingChange[] {
  const [had, has] = [getValues(before), getValues(after)];
  if (has === undefined) return [];
  const allowed = new Set(has.map((value) => JSON.stringify(value)));
  const lost = had?.map((value) => JSON.stringify(value)).filter((value) => !allowed.has(value));
  return (lost ?? ["all other values"]).map((value) => ({
    pointer: `${pointer}/enum`,
    detail: `${value} refused now`,
  }));
}

const lowerBounds = ["minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"];
const upperBounds = ["maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"];
const exact = [
  "pattern",
  "format",
  "multipleOf",
  "uniqueItems",
  "propertyNames",
  "patternProperties",
  "dependentRequired",
  "dependentSchemas",
  "not",
  "if",
  "then",
  "else",
  "contains",
  "minContains",
  "maxContains",
  "prefixItems",
  "unevaluatedItems",
  "unevaluatedProperties",
];

function compareLimits(
  before: Schema,
  after: Schema,
  pointer: string,
  areTargetsEqual: boolean,
): BreakingChange[] {
  const isTighter = (keyword: string) => {
    const [had, has] = [before[keyword], after[keyword]];
    if (has === undefined || has === false) return false;
    if (exact.includes(keyword)) {
      const text = JSON.stringify(has);
      return JSON.stringify(had) !== text || (text.includes('"$ref"') && !areTargetsEqual);
    }
    if (typeof had !== "number") return true;
    return lowerBounds.includes(keyword) ? Number(has) > had : Number(has) < had;
  };
  return [...lowerBounds, ...upperBounds, ...exact].filter(isTighter).map((keyword) => ({
    pointer: `${pointer}/${keyword}`,
    detail: `${JSON.stringify(before[keyword]) ?? "none"} became ${JSON.stringify(after[keyword])}`,
  }));
}

function isEqual(before: object, after: object): boolean {
  return JSON.stringify(before) === JSON.stringify(after);
}

const descriptive = new Set([
  "title",
  "description",
  "default",
  "example",
  "examples",
  "deprecated",
]);

/** Whether other keywords apply beside the alternatives, as in no schema that zod documents. */
function hasConstrainedChoice(schema: Schema): boolean {
  if ((schema.anyOf ?? schema.oneOf) === undefined) return false;
  const others = Object.keys(schema).filter((keyword) => !descriptive.has(keyword));
  return others.some((keyword) => !choiceKeywords.has(keyword));
}

const choiceKeywords = new Set(["anyOf", "oneOf", "discriminator"]);

function getTypes({ type }: Schema): string[] | undefined {
  return typeof type === "string" ? [type] : type;
}

function getValues(schema: Schema): unknown[] | undefined {
  return "const" in schema ? [schema.const] : schema.enum;
}

function isObject(schema: Schema): boolean {
  return schema.properties !== undefined || (getTypes(schema)?.includes("object") ?? false);
}

function resolve(schema: Schema, schemas: Record<string, Schema>): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : (schemas[name] ?? {});
}

function refTo(name: string): string {
  return `#/components/schemas/${name}`;
}
