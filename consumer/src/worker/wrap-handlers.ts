import type { ExtendContext } from "./extend-context.ts";
import type { Handler, HandlerMap } from "./handler.ts";
import type { Middleware } from "./plugin.ts";

export interface Wrapping {
  /** Runs around each handler, the first one outermost. */
  middleware: readonly Middleware[];
  extendContext: ExtendContext | undefined;
}

/** Gives each handler the extended context, and runs the middleware around the handler. */
export function wrapHandlers(handlers: HandlerMap, wrapping: Wrapping): HandlerMap {
  if (wrapping.middleware.length === 0 && wrapping.extendContext === undefined) return handlers;
  return new Map(Array.from(handlers, ([type, handler]) => [type, wrap(type, handler, wrapping)]));
}

function wrap(type: string, handler: Handler, { middleware, extendContext }: Wrapping): Handler {
  return (data, original) => {
    const context = extendContext?.(original) ?? original;
    const attempt = { type, data, context };
    const run = async (index: number): Promise<unknown> => {
      const step = middleware[index];
      return step === undefined ? handler(data, context) : step(attempt, () => run(index + 1));
    };
    return run(0);
  };
}
