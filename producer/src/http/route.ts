import type { RouteConfig, RouteHandler } from "@hono/zod-openapi";
import type { Handler } from "hono";
import type { routes } from "@toril/contract/api/http/index";
import type { AppEnv } from "./app-env.ts";

/** An operation of the API. */
export type Route = (typeof routes)[number];

/** The framework validates path, query and headers; handlers read the body themselves, with `readJson` or as a stream. */
type WithoutBody<Of extends RouteConfig> = Omit<Of, "request"> & {
  request: Omit<NonNullable<Of["request"]>, "body">;
};

export type HandlerOf<Of extends Route> = RouteHandler<WithoutBody<Of>, AppEnv>;

export interface HandledRoute {
  route: Route;
  handler: Handler<AppEnv>;
}

/** Pairs an operation with its handler, whose parameters and responses are typed by the operation. */
export function handle<Of extends Route>(route: Of, handler: HandlerOf<Of>): HandledRoute {
  return { route, handler: asHandler(handler) };
}

/** Safe cast: `createApp` registers the handler together with the validators of its route. */
function asHandler(handler: unknown) {
  return handler as Handler<AppEnv>;
}
