import type { RouteConfig, RouteHandler } from "@hono/zod-openapi";
import type { Handler } from "hono";
import type { Api } from "@toril/contract/api/http/index";
import type { AnyRoute, AppEnv } from "./request-context.ts";

type ApiRoute = Api[keyof Api];

type WithoutBody<Route extends RouteConfig> = Omit<Route, "request"> & {
  request: Omit<NonNullable<Route["request"]>, "body">;
};

/**
 * The framework validates path, query and headers. Handlers read the body themselves, with `readJson` or as a stream,
 * because the framework neither limits nor counts bytes and takes a body of another content type as missing.
 */
export type OperationHandler<Route extends ApiRoute> = RouteHandler<WithoutBody<Route>, AppEnv>;

export interface HandledRoute {
  route: AnyRoute;
  handler: Handler<AppEnv>;
}

/** Pairs an operation with its handler, whose parameters and responses are typed by the operation. */
export function handle<Route extends ApiRoute>(
  route: Route,
  handler: OperationHandler<Route>,
): HandledRoute {
  return { route, handler: asHandler(handler) };
}

/** Safe cast: `createApp` registers the handler together with the validators of its route. */
function asHandler(handler: unknown) {
  return handler as Handler<AppEnv>;
}
