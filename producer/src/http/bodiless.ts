/** A route whose handler reads the body itself: the framework treats a body of another content type as missing. */
export type Bodiless<Route extends { request: { body: unknown } }> = Omit<Route, "request"> & {
  request: Omit<Route["request"], "body">;
};

export function bodiless<Route extends { request: { body: unknown } }>(
  route: Route,
): Bodiless<Route> {
  const request: Partial<Route["request"]> = { ...route.request };
  delete request.body;
  return { ...route, request: request as Omit<Route["request"], "body"> };
}
