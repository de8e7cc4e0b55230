import { LedgerConfig } from "@toril/contract/engine/config/config";
import { z } from "zod";
import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { createVariables as createConsumerVariables } from "../../consumer/src/config.ts";
import { Config as ProducerConfig } from "../../producer/src/config.ts";

/** What each program reads from its environment; nothing else does. */
const programs = {
  producer: ProducerConfig,
  consumer: createConsumerVariables(createRegistry(shippedJobTypes)),
  migrate: LedgerConfig,
} satisfies Record<string, z.ZodObject>;

export type Program = keyof typeof programs;

export interface Variable {
  name: string;
  /** Each with its own default: undefined for none. */
  defaults: Partial<Record<Program, string | undefined>>;
  isRequired: boolean;
  description: string | undefined;
}

/** Every variable of every program, in the order of the schemas. */
export function listVariables(): Variable[] {
  const variables = new Map<string, Variable>();
  for (const [program, { shape }] of Object.entries(programs)) {
    for (const [name, field] of Object.entries<z.ZodType>(shape)) {
      const variable = variables.get(name) ?? {
        name,
        defaults: {},
        isRequired: !field.safeParse(undefined).success,
        description: undefined,
      };
      variable.defaults[program as Program] = getDefault(field);
      variable.description ??= getDescription(field);
      variables.set(name, variable);
    }
  }
  return [...variables.values()];
}

/** Undefined for a variable that has none, or that the program does not read. */
export function defaultFor(program: Program, name: string): string | undefined {
  return listVariables().find((one) => one.name === name)?.defaults[program];
}

/** `<NAME>_FILE` names a file that holds the value of any of them. */
export function readsVariable(program: Program, name: string): boolean {
  const { shape } = programs[program];
  return [name, name.replace(/_FILE$/, "")].some((one) => Object.hasOwn(shape, one));
}

function getDefault(field: z.ZodType): string | undefined {
  if (!(field instanceof z.ZodDefault || field instanceof z.ZodPrefault)) return undefined;
  const value = field.def.defaultValue;
  if (Array.isArray(value)) return value.length > 0 ? value.join(",") : undefined;
  // What is read into an object has no default but "nothing".
  return typeof value === "object" ? undefined : z.coerce.string().parse(value);
}

function getDescription(field: z.ZodType): string | undefined {
  if (field.description !== undefined) return field.description;
  const isWrapped = field instanceof z.ZodDefault || field instanceof z.ZodOptional;
  return isWrapped ? getDescription(field.def.innerType as z.ZodType) : undefined;
}
