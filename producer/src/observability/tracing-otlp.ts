import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { openTracer, parentContext } from "@toril/contract/engine/tracing/open-tracer";
import type { TraceSettings } from "@toril/contract/engine/tracing/settings";
import { formatTraceparent } from "@toril/contract/engine/tracing/traceparent";
import type { Logger } from "pino";
import type { Tracing } from "./tracing.ts";

export function openTracing(settings: TraceSettings, log: Logger): Tracing {
  const { tracer, close } = openTracer(settings, log);
  return {
    begin(method, traceparent) {
      const span = tracer.startSpan(
        method,
        { kind: SpanKind.SERVER, attributes: { "http.request.method": method } },
        parentContext(traceparent),
      );
      return {
        traceparent: formatTraceparent(span.spanContext()),
        end({ route, path, status, problem, requestId, jobId }) {
          span.updateName(`${method} ${route}`);
          span.setAttributes({
            "http.route": route,
            "url.path": path,
            "http.response.status_code": status,
            "toril.request.id": requestId,
          });
          if (jobId !== undefined) span.setAttribute("toril.job.id", jobId);
          if (problem !== undefined) span.setAttribute("error.type", problem);
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    close,
  };
}
