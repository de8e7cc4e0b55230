import { z } from "zod";
import { plainText } from "../json/plain-text.ts";
import { limits } from "../limits.ts";

export const WebhookName = z
  .string()
  .max(limits.webhookNameLength)
  .regex(/^[A-Za-z0-9][\w.-]*$/, "Letters, digits, dots, dashes and underscores.")
  .meta({ example: "orders" });

/** Their payloads are built where they are recorded, in `engine/webhooks`. */
export const webhookEvents = [
  "job.completed",
  "job.dead",
  "job.expired",
  "job.cancelled",
  "import.done",
  "schedule.missed",
] as const;

/** Instead of events: the webhook permits callback URLs. */
const callback = "callback";

/** The events that a webhook may subscribe to. */
export const WebhookEvent = z.enum([...webhookEvents, callback]).meta({
  description:
    "job.*: the job has this final status. import.done: the body of an import was read and all of its jobs have ended. " +
    "schedule.missed: a fire time of a schedule created no job, because the previous job was pending, no consumer was running, or the job is invalid. " +
    "callback: the end of jobs and imports whose `callbackUrl` is at or below the URL of the webhook; excludes the other events",
});
export type WebhookEvent = z.infer<typeof WebhookEvent>;

/**
 * Whether an address has the origin of a base URL and the same path, or a path below. Paths below have no encoded slashes:
 * servers that decode `..%2f` would leave the base.
 */
export function isAtOrBelow(url: string, base: string): boolean {
  const [one, other] = [new URL(url), new URL(base)];
  const folder = other.pathname.endsWith("/") ? other.pathname : `${other.pathname}/`;
  return (
    one.origin === other.origin &&
    (one.pathname === other.pathname ||
      (one.pathname.startsWith(folder) && !/%(2f|5c)/i.test(one.pathname.slice(folder.length))))
  );
}

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
      .refine((items) => new Set(items).size === items.length, "Duplicate items are not allowed.")
      .refine(
        (items) => items.length === 1 || !items.includes(callback),
        "`callback` excludes the other events: register another webhook for them.",
      ),
    types: filter("Only events of these job types; null: all"),
    queues: filter("Only events of these queues; null: all"),
    labels: filter(
      "Only jobs with at least one of these labels; null: all. Applies to events of jobs",
    ),
  })
  .refine(({ url, events }) => !events.includes(callback) || !/[?#]/.test(url), {
    path: ["url"],
    error: "A webhook for callbacks needs a URL without a query or fragment.",
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
    description: "Time until which the endpoint receives no requests, by its Retry-After",
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
      description: "Secret that signs the requests (Standard Webhooks); returned only once",
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
