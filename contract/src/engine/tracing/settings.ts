import { z } from "zod";

const samplers = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

/** OpenTelemetry's standard variables. Without an endpoint, OpenTelemetry is not loaded. */
export const traceFields = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: "must be an http:// or https:// address" })
    .optional()
    .describe("OTLP/HTTP endpoint that receives spans; without it, no spans are created"),
  OTEL_EXPORTER_OTLP_HEADERS: pairs().describe(
    "headers of requests to that endpoint: `name=value,name=value`",
  ),
  OTEL_SERVICE_NAME: z
    .string()
    .optional()
    .describe("name of the process in traces; `toril-producer` or `toril-consumer` by default"),
  OTEL_RESOURCE_ATTRIBUTES: pairs().describe("attributes of every span: `name=value,name=value`"),
  OTEL_TRACES_SAMPLER: z
    .enum(samplers, { error: `must be one of ${samplers.join(", ")}` })
    .default("parentbased_always_on")
    .describe("sampler that selects the traces to keep"),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .transform(Number)
    .refine((ratio) => ratio >= 0 && ratio <= 1, { error: "must be a number from 0 to 1" })
    .default(1)
    .describe("sampling ratio, for samplers that take one"),
};

const TraceFields = z.object(traceFields);
type TraceFields = z.output<typeof TraceFields>;

export interface TraceSettings {
  /** OTLP/HTTP endpoint for spans. */
  url: string;
  headers: Record<string, string>;
  attributes: Record<string, string>;
  sampler: (typeof samplers)[number];
  /** Sampling ratio of traces that begin here, for ratio samplers. */
  ratio: number;
}

/** Builds the trace settings; undefined without an endpoint. */
export function toTraceSettings(
  variables: TraceFields,
  serviceName: string,
): TraceSettings | undefined {
  const endpoint = variables.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return undefined;
  return {
    url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
    headers: variables.OTEL_EXPORTER_OTLP_HEADERS,
    attributes: {
      "service.name": serviceName,
      ...variables.OTEL_RESOURCE_ATTRIBUTES,
      ...(variables.OTEL_SERVICE_NAME === undefined
        ? {}
        : { "service.name": variables.OTEL_SERVICE_NAME }),
    },
    sampler: variables.OTEL_TRACES_SAMPLER,
    ratio: variables.OTEL_TRACES_SAMPLER_ARG,
  };
}

/** Parses `a=b,c=d`; special characters are percent-encoded. */
function pairs() {
  const error = "must be a list like a=b,c=d";
  return z
    .string()
    .regex(/^\s*[^=,\s]+\s*=[^,]*(?:,\s*[^=,\s]+\s*=[^,]*)*$/, error)
    .transform((text, context) => {
      try {
        return Object.fromEntries(text.split(",").map(toPair));
      } catch {
        context.addIssue({ code: "custom", message: error });
        return z.NEVER;
      }
    })
    .default({});
}

function toPair(text: string): [string, string] {
  const equals = text.indexOf("=");
  return [text.slice(0, equals).trim(), decodeURIComponent(text.slice(equals + 1).trim())];
}
