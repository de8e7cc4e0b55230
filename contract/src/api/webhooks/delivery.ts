import { z } from "zod";
import { Time } from "../jobs/job.ts";
import { limits } from "../limits.ts";
import { webhookEvents } from "./webhook.ts";

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
    url: z.string().nullable().meta({
      description: "The callback URL of the job or import; null: the URL of the webhook",
    }),
    status: DeliveryStatus.meta({
      description:
        "pending: not delivered yet. failed: not delivered, and no further attempt follows",
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
    error: z.string().nullable().meta({ description: "Error of the last attempt" }),
    createdAt: Time,
  })
  .meta({
    id: "WebhookDelivery",
    example: {
      id: "5f6071a8-9304-4c7d-8a4e-019c2f1e7b1a",
      event: "job.completed",
      url: null,
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
      description: `\`from\` of the next request, because a request replays at most ${limits.replayedDeliveries} deliveries; null if none are left`,
    }),
  })
  .meta({ id: "ReplayedDeliveries", example: { replayed: 12, next: null } });
export type ReplayedDeliveries = z.infer<typeof ReplayedDeliveries>;
