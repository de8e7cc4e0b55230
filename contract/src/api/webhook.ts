import { z } from "zod";
import { plainText } from "./json/plain-text.ts";
import { limits } from "./limits.ts";

export const WebhookName = z
  .string()
  .max(limits.webhookNameLength)
  .regex(/^[A-Za-z0-9][\w.-]*$/, "Letters, digits, dots, dashes and underscores.")
  .meta({ example: "orders" });

const webhookEvents = [
  "job.completed",
  "job.dead",
  "job.expired",
  "job.cancelled",
  "import.done",
  "schedule.missed",
] as const;

/** The events that a webhook may subscribe to. */
export const WebhookEvent = z.enum(webhookEvents).meta({
  description:
    "job.*: the job has this final status. import.done: the body of an import was read and all of its jobs have ended. " +
    "schedule.missed: a fire time of a schedule created no job, because the previous job was pending, no consumer was running, or the job is invalid",
});
export type WebhookEvent = z.infer<typeof WebhookEvent>;

/** Returns why a URL cannot be an endpoint; undefined if it can. Addresses are checked when a consumer connects. */
function findUrlFault(text: string): string | undefined {
  if (!URL.canParse(text)) return "Not an absolute URL.";
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return "The scheme must be https or http.";
  if (url.username !== "" || url.password !== "") return "A URL with credentials is not accepted.";
  return undefined;
}

/** An address that the service sends requests to. */
export const EndpointUrl = z
  .string()
  .max(limits.urlLength)
  .regex(plainText, "No control characters.")
  .superRefine((text, context) => {
    const fault = findUrlFault(text);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  })
  .meta({ format: "uri", example: "https://example.org/toril" });

const filter = (description: string) =>
  z
    .array(z.string().min(1).max(limits.labelLength).regex(plainText, "No control characters."))
    .min(1)
    .max(100)
    .refine((items) => new Set(items).size === items.length, "Duplicate items are not allowed.")
    .nullable()
    .default(null)
    .meta({ description });

/** The request body that creates or replaces a webhook. */
export const WebhookDefinition = z
  .strictObject({
    url: EndpointUrl,
    events: z
      .array(WebhookEvent)
      .min(1)
      .refine((items) => new Set(items).size === items.length, "Duplicate items are not allowed."),
    types: filter("Only events of these job types; null: all"),
    queues: filter("Only events of these queues; null: all"),
    labels: filter(
      "Only jobs with at least one of these labels; null: all. Applies to events of jobs",
    ),
  })
  .meta({
    id: "WebhookDefinition",
    example: { url: "https://example.org/toril", events: ["job.completed", "job.dead"] },
  });
export type WebhookDefinition = z.output<typeof WebhookDefinition>;

const Time = z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });

const fields = {
  name: WebhookName,
  url: z.string(),
  events: z.array(WebhookEvent),
  types: z.array(z.string()).nullable(),
  queues: z.array(z.string()).nullable(),
  labels: z.array(z.string()).nullable(),
  enabled: z.boolean().meta({
    description: "Events are recorded and sent only while the webhook is enabled",
  }),
  disabledReason: z.union([z.enum(["requested", "failing", "gone"]), z.null()]).meta({
    description:
      "requested: by a client. failing: every attempt failed for days. gone: the endpoint answered 410. Null while the webhook is enabled",
  }),
  disabledAt: Time.nullable(),
  failingSince: Time.nullable().meta({
    description: "Time of the first failed attempt since the last successful one",
  }),
  pausedUntil: Time.nullable().meta({
    description: "The endpoint asked for a pause until this time, with Retry-After",
  }),
  previousSecretUntil: Time.nullable().meta({
    description: "Time until which requests are also signed with the previous secret",
  }),
  version: z.int().meta({
    description: 'Incremented by every change by a client; use it in `If-Match: "<version>"`',
  }),
  createdAt: Time,
  updatedAt: Time,
};

const example = {
  name: "orders",
  url: "https://example.org/toril",
  events: ["job.completed", "job.dead"],
  types: null,
  queues: null,
  labels: null,
  enabled: true,
  disabledReason: null,
  disabledAt: null,
  failingSince: null,
  pausedUntil: null,
  previousSecretUntil: null,
  version: 1,
  createdAt: "2026-11-23T09:30:00.000Z",
  updatedAt: "2026-11-23T09:30:00.000Z",
};

/** A webhook without its secret. */
export const Webhook = z.strictObject(fields).meta({ id: "Webhook", example });
export type Webhook = z.infer<typeof Webhook>;

/** A webhook with its secret, which is returned only once. */
export const IssuedWebhook = z
  .strictObject({
    ...fields,
    secret: z.string().meta({
      description: "Signs the requests (Standard Webhooks). It is returned only once",
      example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    }),
  })
  .meta({
    id: "IssuedWebhook",
    example: { ...example, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=" },
  });
export type IssuedWebhook = z.infer<typeof IssuedWebhook>;

export const SecretRotation = z
  .strictObject({
    graceMs: z
      .int()
      .min(0)
      .max(7 * 24 * 60 * 60 * 1000)
      .default(24 * 60 * 60 * 1000)
      .meta({
        description:
          "Milliseconds for which requests are signed with the previous secret, too; default: a day",
      }),
  })
  .meta({ id: "SecretRotation", example: { graceMs: 3_600_000 } });

export const DeliveryStatus = z.enum(["pending", "delivered", "failed"]);

const WebhookResponse = z
  .strictObject({
    status: z.int(),
    body: z.string().meta({
      description: `The first ${limits.webhookResponseBytes} bytes of the body`,
    }),
  })
  .meta({ id: "WebhookResponse" });

const WebhookPayload = z
  .looseObject({})
  .meta({ id: "WebhookPayload", description: "The body of the request" });

/** One event for one webhook. */
export const WebhookDelivery = z
  .strictObject({
    id: z.uuid().meta({ description: "The header `webhook-id` of every attempt" }),
    event: z.enum([...webhookEvents, "webhook.test"]),
    status: DeliveryStatus.meta({
      description: "pending: not delivered yet. failed: given up",
    }),
    payload: WebhookPayload,
    attempts: z.int().min(0),
    nextAt: Time.nullable().meta({
      description: "When the next attempt is due; null after the last",
    }),
    attemptedAt: Time.nullable().meta({ description: "Start of the last attempt" }),
    deliveredAt: Time.nullable(),
    response: z
      .union([WebhookResponse, z.null()])
      .meta({ description: "Response to the last attempt; null if none arrived" }),
    latencyMs: z.int().nullable().meta({ description: "Duration of the last attempt" }),
    error: z.string().nullable().meta({ description: "Why the last attempt failed" }),
    createdAt: Time,
  })
  .meta({
    id: "WebhookDelivery",
    example: {
      id: "5f6071a8-9304-4c7d-8a4e-019c2f1e7b1a",
      event: "job.completed",
      status: "delivered",
      payload: {
        type: "job.completed",
        timestamp: "2026-11-23T09:30:00.000Z",
        data: { id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304", type: "echo", status: "completed" },
      },
      attempts: 1,
      nextAt: null,
      attemptedAt: "2026-11-23T09:30:00.100Z",
      deliveredAt: "2026-11-23T09:30:00.150Z",
      response: { status: 200, body: "ok" },
      latencyMs: 50,
      error: null,
      createdAt: "2026-11-23T09:30:00.000Z",
    },
  });
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;

/** The request body that replays the deliveries of a time range. */
export const DeliveryReplay = z
  .strictObject({
    from: z.iso.datetime({ offset: true }).meta({
      description: "Events recorded at this time or later",
      example: "2026-11-23T00:00:00Z",
    }),
    until: z.iso.datetime({ offset: true }).meta({
      description: "Events recorded before this time",
      example: "2026-11-24T00:00:00Z",
    }),
    status: z
      .enum(["failed", "delivered"])
      .optional()
      .meta({ description: "Only deliveries with this status; by default both" }),
  })
  .refine(({ from, until }) => Date.parse(from) < Date.parse(until), {
    path: ["until"],
    error: "Must be after `from`.",
  })
  .meta({
    id: "DeliveryReplay",
    example: { from: "2026-11-23T00:00:00Z", until: "2026-11-24T00:00:00Z", status: "failed" },
  });
export type DeliveryReplay = z.output<typeof DeliveryReplay>;

export const ReplayedDeliveries = z
  .strictObject({
    replayed: z.int().min(0),
    next: Time.nullable().meta({
      description: `Use it as \`from\` to continue: a request replays at most ${limits.replayedDeliveries} deliveries. Null if none are left`,
    }),
  })
  .meta({ id: "ReplayedDeliveries", example: { replayed: 12, next: null } });
export type ReplayedDeliveries = z.infer<typeof ReplayedDeliveries>;
