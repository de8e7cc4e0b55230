/** A route whose handler reads the body itself. */
export type Bodiless<Route extends { request: { body: unknown } }> = Omit<Route, "request"> & {
  request: Omit<Route["request"], "body">;
};
