import { routes } from "@toril/contract/api/http/index";

export const operations = routes;
export type Operation = (typeof routes)[number];

const patterns = routes.map((operation) => ({
  operation,
  methods: methodsOf(operation),
  pattern: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
}));

const byPath = Map.groupBy(patterns, ({ operation }) => operation.path as string);

export function findOperation(method: string, path: string): Operation | undefined {
  return at(path).find(({ methods }) => methods.includes(method))?.operation;
}

/** Which methods an address knows; none when there is no such address. */
export function methodsAt(path: string): string[] {
  return at(path).flatMap(({ methods }) => methods);
}

/** What is spelled out hides what a parameter would be: `bulk` is the id of no job. Nearly every request is for such. */
function at(path: string) {
  return byPath.get(path) ?? patterns.filter(({ pattern }) => pattern.test(path));
}

function methodsOf({ method }: Operation): string[] {
  return method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()];
}
