import { z } from "zod";
import { EndpointUrl } from "./webhooks/webhook.ts";

/** Where and how the jobs of a type are sent. */
export const PushSettings = z
  .strictObject({
    url: EndpointUrl,
    timeoutMs: z
      .int()
      .min(100)
      .max(600_000)
      .default(30_000)
      .meta({ description: "Timeout of one request" }),
    concurrency: z
      .int()
      .min(1)
      .max(1000)
      .default(10)
      .meta({ description: "Maximum number of concurrent requests, per consumer" }),
    ratePerSecond: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .meta({ description: "Maximum number of requests per second, across all consumers" }),
  })
  .meta({
    id: "PushSettings",
    description: "The endpoint of a type with the worker `push`",
    example: { url: "https://example.org/jobs", concurrency: 10 },
  });
export type PushSettings = z.output<typeof PushSettings>;

const Time = z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });
const fields = {
  type: z.string(),
  url: z.string(),
  enabled: z.boolean().meta({ description: "false: the endpoint answered 410" }),
  disabledAt: Time.nullable(),
  circuit: z.enum(["closed", "open", "half-open"]).meta({
    description:
      "open: no job is sent until `pausedUntil`. half-open: one job at a time is sent until one succeeds",
  }),
  consecutiveFailures: z.int().min(0),
  lastError: z.string().nullable(),
  pausedUntil: Time.nullable(),
  pauseReason: z.union([z.enum(["circuit-open", "retry-after"]), z.null()]),
  previousSecretUntil: Time.nullable(),
};
const example = {
  type: "mail.send",
  url: "https://example.org/jobs",
  enabled: true,
  disabledAt: null,
  circuit: "closed" as const,
  consecutiveFailures: 0,
  lastError: null,
  pausedUntil: null,
  pauseReason: null,
  previousSecretUntil: null,
};

/** The endpoint of a job type with the worker `push`. */
export const PushEndpoint = z.strictObject(fields).meta({ id: "PushEndpoint", example });
export type PushEndpoint = z.infer<typeof PushEndpoint>;

/** An endpoint with its secret, which is returned only once. */
export const IssuedPushEndpoint = z
  .strictObject({
    ...fields,
    signingSecret: z.string().meta({
      description: "Secret that signs the requests (Standard Webhooks); returned only once",
      example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    }),
  })
  .meta({
    id: "IssuedPushEndpoint",
    example: { ...example, signingSecret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=" },
  });
export type IssuedPushEndpoint = z.infer<typeof IssuedPushEndpoint>;
