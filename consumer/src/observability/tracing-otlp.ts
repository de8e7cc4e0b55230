import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { openTracer, parentContext } from "@toril/contract/engine/tracing/open-tracer";
import type { TraceSettings } from "@toril/contract/engine/tracing/settings";
import { formatTraceparent } from "@toril/contract/engine/tracing/traceparent";
import type { Log } from "./log.ts";
import type { Tracing } from "./tracing.ts";

/** Opens tracing to an OTLP collector. Sets the global OpenTelemetry provider, so handlers can add their own spans. */
export function openTracing(settings: TraceSettings, log: Log): Tracing {
  const { tracer, provider, close } = openTracer(settings, log);
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

  return {
    begin({ queue, type, bullId, attempt, traceparent }) {
      const span = tracer.startSpan(
        `process ${type}`,
        {
          kind: SpanKind.CONSUMER,
          attributes: {
            "messaging.system": "bullmq",
            "messaging.operation.type": "process",
            "messaging.destination.name": queue,
            "messaging.message.id": bullId,
            "toril.job.type": type,
            "toril.job.attempt": attempt,
          },
        },
        parentContext(traceparent),
      );
      const inside = trace.setSpan(ROOT_CONTEXT, span);
      return {
        traceparent: formatTraceparent(span.spanContext()),
        async step(name, work) {
          const child = tracer.startSpan(name, {}, inside);
          try {
            return await context.with(trace.setSpan(inside, child), work);
          } finally {
            child.end();
          }
        },
        end(outcome, thrown) {
          span.setAttribute("toril.job.outcome", outcome);
          if (thrown !== undefined) {
            span.setAttribute("error.type", thrown instanceof Error ? thrown.name : "unknown");
          }
          if (outcome === "dead" || outcome === "retried" || outcome === "failed") {
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      };
    },
    close,
  };
}
