import { z } from "zod";

const Attribute = z.object({
  key: z.string(),
  value: z.object({ stringValue: z.string().optional(), intValue: z.coerce.number().optional() }),
});

const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  attributes: z.array(Attribute),
});

/** The parts of OTLP/HTTP JSON that are read. */
const Export = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(Attribute) }),
      scopeSpans: z.array(z.object({ spans: z.array(Span) })),
    }),
  ),
});

export interface CollectedSpan {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  attributes: Record<string, string | number | undefined>;
}

/** Starts an OpenTelemetry collector that records spans. */
export function startCollector() {
  const spans: CollectedSpan[] = [];
  const headers: Headers[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      if (new URL(request.url).pathname !== "/v1/traces") return new Response("", { status: 404 });
      headers.push(request.headers);
      for (const { resource, scopeSpans } of Export.parse(await request.json()).resourceSpans) {
        const service = String(toRecord(resource.attributes)["service.name"]);
        for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
          const { traceId, spanId, parentSpanId, name } = span;
          const attributes = toRecord(span.attributes);
          spans.push({ service, traceId, spanId, parentSpanId, name, attributes });
        }
      }
      return Response.json({});
    },
  });
  return {
    url: server.url.origin,
    spans,
    headers,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

function toRecord(attributes: z.output<typeof Attribute>[]) {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]),
  );
}
