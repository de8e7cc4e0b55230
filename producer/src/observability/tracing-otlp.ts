import {
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { createTracerProvider } from "@toril/contract/engine/tracing/provider";
import type { TraceSettings } from "@toril/contract/engine/tracing/settings";
import { formatTraceparent, parseTraceparent } from "@toril/contract/engine/tracing/traceparent";
import type { Logger } from "pino";
import type { Tracing } from "./tracing.ts";

/** How long shutdown waits for the collector. */
const flushMs = 2000;

export function openTracing({ url, headers, ...settings }: TraceSettings, log: Logger): Tracing {
  const warn = (message: string) => log.warn({ detail: message }, "cannot send spans");
  const quiet = () => {};
  diag.setLogger(
    { error: warn, warn, info: quiet, debug: quiet, verbose: quiet },
    DiagLogLevel.WARN,
  );
  const provider = createTracerProvider(new OTLPTraceExporter({ url, headers }), settings);
  const tracer = provider.getTracer("toril");

  return {
    begin(method, traceparent) {
      const parent = parseTraceparent(traceparent);
      const span = tracer.startSpan(
        method,
        { kind: SpanKind.SERVER, attributes: { "http.request.method": method } },
        parent === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }),
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
    async close() {
      await Promise.race([provider.shutdown(), Bun.sleep(flushMs)]).catch(quiet);
    },
  };
}
