import {
  context,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { createTracerProvider } from "@toril/contract/engine/tracing/provider";
import type { TraceSettings } from "@toril/contract/engine/tracing/settings";
import { formatTraceparent, parseTraceparent } from "@toril/contract/engine/tracing/traceparent";
import type { Log } from "./log.ts";
import type { Tracing } from "./tracing.ts";
import { isDoneWithin } from "../wait.ts";

/** Deadline for flushing spans at shutdown. */
const flushMs = 2000;

/** Opens tracing to an OTLP collector. Sets the global OpenTelemetry provider, so handlers can add their own spans. */
export function openTracing({ url, headers, ...settings }: TraceSettings, log: Log): Tracing {
  const warn = (message: string) => log.warn({ detail: message }, "cannot send spans");
  const quiet = () => {};
  diag.setLogger(
    { error: warn, warn, info: quiet, debug: quiet, verbose: quiet },
    DiagLogLevel.WARN,
  );
  const provider = createTracerProvider(new OTLPTraceExporter({ url, headers }), settings);
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const tracer = provider.getTracer("toril");

  return {
    begin({ queue, type, bullId, attempt, traceparent }) {
      const parent = parseTraceparent(traceparent);
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
        parent === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }),
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
    async close() {
      await isDoneWithin(flushMs, provider.shutdown().catch(quiet));
    },
  };
}
