import type { HandlerContext } from "./handler.ts";

export type ExtendContext = (attempt: HandlerContext) => HandlerContext;

const attemptFields: Readonly<Record<keyof HandlerContext, true>> = {
  id: true,
  attempt: true,
  signal: true,
  log: true,
  progress: true,
  admitChildren: true,
  enqueue: true,
  children: true,
  childCounts: true,
};

/**
 * Creates a function that adds the properties of `own` to the context of an attempt.
 * @throws if a property has the name of a field of the attempt
 */
export function createExtendContext(own: object): ExtendContext {
  const properties = Object.getOwnPropertyDescriptors(own);
  const taken = Object.keys(properties).filter((name) => Object.hasOwn(attemptFields, name));
  if (taken.length > 0) {
    throw new Error(`the context has ${taken.join(", ")}, which each attempt has already`);
  }
  const source = Symbol("attempt");
  const prototype: object = Object.defineProperties({}, properties);
  for (const name of Object.keys(attemptFields) as (keyof HandlerContext)[]) {
    // Read when it is used: some fields of an attempt are created on demand.
    Object.defineProperty(prototype, name, {
      get(this: { [source]: HandlerContext }) {
        return this[source][name];
      },
    });
  }
  // Sound: the prototype has a getter for each field.
  return (attempt) => Object.create(prototype, { [source]: { value: attempt } }) as HandlerContext;
}
