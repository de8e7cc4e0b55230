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

/** Returns the methods of a path; none if the path is unknown. */
export function methodsAt(path: string): string[] {
  return at(path).flatMap(({ methods }) => methods);
}

/** Fixed paths take precedence over parameters: `bulk` is not a job id. Most requests are for fixed paths. */
function at(path: string) {
  return byPath.get(path) ?? patterns.filter(({ pattern }) => pattern.test(path));
}

function methodsOf({ method }: Operation): string[] {
  return method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()];
}
