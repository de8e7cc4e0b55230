/** The parts of a schema, parameter or body that this file reads. */
// oxlint-disable-next-line no-explicit-any -- the document is held against its standard elsewhere
type Node = any;

interface Example {
  name: string;
  path: string;
  init: { method: string; headers: Record<string, string>; body?: string };
  /** The example names a resource that does not exist here. */
  isOfAnother: boolean;
}

/** Builds a request from every request example in the document. */
export function _getExamples(document: Node): Example[] {
  const resolve = (node: Node): Node =>
    node?.$ref ? resolve(document.components.schemas[node.$ref.split("/").at(-1)]) : node;

  function toSample(input: Node): unknown {
    const schema = resolve(input);
    const isObject = schema.type === "object";
    const [choice] = isObject ? [] : (schema.oneOf ?? schema.anyOf ?? schema.allOf ?? []);
    if (schema.example !== undefined) return schema.example;
    if (schema.enum) return schema.enum[0];
    if (choice !== undefined) return toSample(choice);
    if (schema.type === "array") return [toSample(schema.items)];
    if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 1;
    if (schema.type === "boolean") return true;
    if (schema.format === "uuid") return "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";
    if (isObject) {
      const needed: string[] = schema.required ?? [];
      return Object.fromEntries(needed.map((name) => [name, toSample(schema.properties[name])]));
    }
    return "text";
  }

  /** Returns the required fields, as in the example of the schema if it has them. */
  function toLeast({ required = [], properties, example }: Node): object {
    const sampled = (name: string) => example?.[name] ?? toSample(properties[name]);
    return Object.fromEntries(required.map((name: string) => [name, sampled(name)]));
  }

  /** Returns the examples of a whole schema, and one for each field with an example. */
  function toBodies(input: Node): unknown[] {
    const schema = resolve(input);
    const shown = schema.example === undefined ? [] : [schema.example];
    if (schema.type !== "object" && (schema.oneOf || schema.anyOf)) {
      return [...shown, ...(schema.oneOf ?? schema.anyOf).flatMap(toBodies)];
    }
    if (schema.type !== "object") return [toSample(schema)];
    // A schema that requires any one of several fields has an example that shows one.
    const isOwnLeast = !(schema.minProperties > 0);
    const least = isOwnLeast ? toLeast(schema) : (toSample(schema) as object);
    const fields = Object.entries<Node>(schema.properties ?? {}).flatMap(([name, field]) => {
      const example = resolve(field).example;
      // A webhook must permit the URL.
      if (example === undefined || name === "callbackUrl") return [];
      // `keyPolicy` requires `key`.
      // The endpoint `push` requires the worker of that name.
      const more =
        name === "keyPolicy" && schema.properties.key !== undefined
          ? { key: toSample(schema.properties.key) }
          : name === "push"
            ? { worker: "push" }
            : {};
      return [{ ...least, ...more, [name]: example }];
    });
    return [...shown, ...(isOwnLeast ? [least] : []), ...fields];
  }

  // No consumer runs here, so no job ends that a request could wait for; the bodies are not compressed; no webhook permits URLs.
  const left = new Set(["prefer", "content-encoding", "callbackUrl"]);
  const examples: Example[] = [];
  for (const [pattern, operations] of Object.entries<Node>(document.paths)) {
    for (const [method, operation] of Object.entries<Node>(operations)) {
      const parameters: Node[] = operation.parameters ?? [];
      const getExample = ({ schema, example }: Node) => example ?? resolve(schema).example;
      const path = pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        String(getExample(parameters.find((one) => one.name === name))),
      );
      const query = new URLSearchParams(
        parameters
          .filter((one) => one.in === "query" && !left.has(one.name))
          .filter((one) => getExample(one) !== undefined)
          .map((one): [string, string] => [one.name, String(getExample(one))]),
      );
      const headers = Object.fromEntries(
        parameters
          .filter((one) => one.in === "header" && !left.has(one.name))
          .filter((one) => getExample(one) !== undefined)
          .map((one): [string, string] => [one.name, String(getExample(one))]),
      );
      const target = query.size === 0 ? path : `${path}?${query.toString()}`;
      // With the parameter `type`, JSON is a file.
      const jsonTarget = operation.operationId === "createImport" ? path : target;
      const add = (content: { body?: string }, more: Record<string, string>) =>
        examples.push({
          name: `${operation.operationId} ${content.body?.trim() ?? ""}`.slice(0, 150),
          path: more["Content-Type"] === "application/json" ? jsonTarget : target,
          init: { method: method.toUpperCase(), headers: { ...headers, ...more }, ...content },
          isOfAnother:
            pattern.includes("{") ||
            ["fetchFeed", "getOverviewHistory"].includes(operation.operationId),
        });
      const media = Object.entries<Node>(operation.requestBody?.content ?? {});
      if (media.length === 0) add({}, {});
      for (const [type, { schema, example }] of media) {
        const isJson = type === "application/json";
        const shown = example === undefined ? [] : [example];
        for (const body of isJson ? [...shown, ...toBodies(schema)] : shown) {
          add({ body: isJson ? JSON.stringify(body) : body }, { "Content-Type": type });
        }
      }
    }
  }
  return examples;
}
