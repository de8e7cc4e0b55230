import { LedgerConfig } from "@toril/contract/engine/config/config";
import { z } from "zod";
import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { createVariables as createConsumerVariables } from "../../../consumer/src/config.ts";
import { Config as ProducerConfig } from "../../../producer/src/config.ts";

/** Schemas of the environment variables of each program. */
const programs = {
  producer: ProducerConfig,
  consumer: createConsumerVariables(createRegistry(shippedJobTypes)),
  migrate: LedgerConfig,
} satisfies Record<string, z.ZodObject>;

export type Program = keyof typeof programs;

export interface Variable {
  name: string;
  /** Default by program; undefined for none. */
  defaults: Partial<Record<Program, string | undefined>>;
  isRequired: boolean;
  description: string | undefined;
}

/** Lists the variables of all programs, in the order of the schemas. */
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

/** Returns undefined if the variable has no default or the program does not read it. */
export function defaultFor(program: Program, name: string): string | undefined {
  return listVariables().find((one) => one.name === name)?.defaults[program];
}

/** Whether the program reads the variable; `<NAME>_FILE` is the path of a file with the value. */
export function readsVariable(program: Program, name: string): boolean {
  const { shape } = programs[program];
  return [name, name.replace(/_FILE$/, "")].some((one) => Object.hasOwn(shape, one));
}

function getDefault(field: z.ZodType): string | undefined {
  if (!(field instanceof z.ZodDefault || field instanceof z.ZodPrefault)) return undefined;
  const value = field.def.defaultValue;
  if (Array.isArray(value)) return value.length > 0 ? value.join(",") : undefined;
  // Variables that are parsed into objects have no default.
  return typeof value === "object" ? undefined : z.coerce.string().parse(value);
}

function getDescription(field: z.ZodType): string | undefined {
  if (field.description !== undefined) return field.description;
  const isWrapped = field instanceof z.ZodDefault || field instanceof z.ZodOptional;
  return isWrapped ? getDescription(field.def.innerType as z.ZodType) : undefined;
}
