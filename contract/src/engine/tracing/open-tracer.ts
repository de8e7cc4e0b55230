import {
  type Context,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import type { TraceSettings } from "./settings.ts";
import { parseTraceparent } from "./traceparent.ts";

/** Deadline for flushing spans at shutdown. */
const flushMs = 2000;

export interface OpenedTracer {
  tracer: Tracer;
  provider: TracerProvider;
  /** Flushes the remaining spans within a deadline. */
  close(): Promise<void>;
}

/**
 * Opens a tracer that exports spans in batches to an OTLP collector; spans beyond its queue of 2,048 are dropped. Import
 * this module only if tracing is configured: it loads OpenTelemetry.
 */
export function openTracer(settings: TraceSettings, log: Logger): OpenedTracer {
  const { url, headers, attributes, sampler, ratio } = settings;
  const warn = (message: string) => log.warn({ detail: message }, "cannot send spans");
  const ignore = () => {};
  diag.setLogger(
    { error: warn, warn, info: ignore, debug: ignore, verbose: ignore },
    DiagLogLevel.WARN,
  );
  const exporter = new OTLPTraceExporter({ url, headers });
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(attributes)),
    sampler: samplers[sampler](ratio),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 1000 })],
  });
  return {
    provider,
    tracer: provider.getTracer("toril"),
    async close() {
      const { promise: deadline, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, flushMs);
      await Promise.race([provider.shutdown().catch(ignore), deadline]);
      clearTimeout(timer);
    },
  };
}

/** Returns the context of a remote parent span; the root context if there is none or the traceparent is invalid. */
export function parentContext(traceparent: string | null | undefined): Context {
  const parent = parseTraceparent(traceparent);
  return parent === undefined
    ? ROOT_CONTEXT
    : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true });
}

const samplers: Record<TraceSettings["sampler"], (ratio: number) => Sampler> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: (ratio) =>
    new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
};
