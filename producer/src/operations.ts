import { routes } from "@toril/contract/http";

export const operations = routes;
export type Operation = (typeof routes)[number];

const patterns = routes.map((operation) => ({
  operation,
  methods: methodsOf(operation),
  pattern: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
}));

// Nearly every request is for one of these.
const withoutParameters = new Map<string, Operation>(
  routes.flatMap((operation) =>
    methodsOf(operation).map((method) => [`${method} ${operation.path}`, operation] as const),
  ),
);

export function findOperation(method: string, path: string): Operation | undefined {
  return (
    withoutParameters.get(`${method} ${path}`) ??
    patterns.find(({ methods, pattern }) => methods.includes(method) && pattern.test(path))
      ?.operation
  );
}

/** Which methods an address knows; none when there is no such address. */
export function methodsAt(path: string): string[] {
  return patterns.flatMap(({ methods, pattern }) => (pattern.test(path) ? methods : []));
}

function methodsOf({ method }: Operation): string[] {
  return method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()];
}
