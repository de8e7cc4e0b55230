import { z } from "zod";
import { limits } from "../limits.ts";
import { plainText } from "../json/plain-text.ts";
import { EndpointUrl } from "../webhooks/webhook.ts";

const backoffMs = z.int().min(0).max(limits.backoffMs);

export const Backoff = z
  .strictObject({
    type: z.enum(["fixed", "exponential"]),
    delay: backoffMs.meta({ description: "Delay before the second attempt, in milliseconds" }),
    jitter: z.number().min(0).max(1).optional().meta({
      description:
        "Random share of each delay, from 0 to 1: with 0.5, each delay is between 50 % and 100 % of its value",
    }),
    max: backoffMs.optional().meta({ description: "Maximum delay, in milliseconds" }),
  })
  .meta({
    id: "Backoff",
    description:
      "Delay between attempts; default: the backoff of the job type (exponential from 1 s unless the type sets another)",
    example: { type: "exponential", delay: 1000, max: 60_000 },
  });
export type Backoff = z.infer<typeof Backoff>;

const attempts = z.int().min(1).max(limits.attempts);
const priority = z.int().min(1).max(limits.priority);
const timeoutMs = z.int().min(1).max(limits.timeoutMs);

/** The execution options of a job, as stored in Postgres. */
export const JobOptions = z.strictObject({
  attempts,
  backoff: Backoff,
  priority: priority.optional(),
  order: z.literal("lifo").optional(),
  timeoutMs: timeoutMs.optional(),
});
export type JobOptions = z.infer<typeof JobOptions>;

export const Key = z.string().min(1).max(limits.keyLength).meta({
  description:
    "Deduplication key: while a job of this type and key is pending, enqueueing returns that job",
  example: "order-1042",
});

/** How a job is handled if an earlier job has the same type and key. */
export const KeyPolicy = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("pending") }).meta({ id: "KeyPolicyPending" }),
    z
      .strictObject({
        type: z.literal("once"),
        windowMs: z.int().min(1).max(limits.dedupWindowMs),
      })
      .meta({ id: "KeyPolicyOnce" }),
    z.strictObject({ type: z.literal("replace") }).meta({ id: "KeyPolicyReplace" }),
  ])
  .meta({
    id: "KeyPolicy",
    description:
      "pending: a job is a duplicate while the earlier job is pending. once: a job is also a duplicate after the earlier job has finished, until `windowMs` after the earlier job was accepted. " +
      "replace: the earlier job is cancelled and replaced; a job is only a duplicate while the earlier job is active.",
    example: { type: "once", windowMs: 3_600_000 },
  });
export type KeyPolicy = z.infer<typeof KeyPolicy>;

/** A time in a request, with any UTC offset. */
export const RequestTime = z.iso.datetime({ offset: true });

const Label = z.string().min(1).max(limits.labelLength).regex(plainText, "No control characters.");

/** Where the end of a job or an import is reported. */
export const CallbackUrl = EndpointUrl.meta({
  description:
    "URL to which the end is reported, once, like an event of a webhook. A webhook with the event `callback` must permit the URL, and the API key needs the scope `jobs:callback`",
  example: "https://example.org/callbacks/order-1042",
});

/** The options that a client may send with a job, besides type and data. Defaults come from the job type. */
export const requestOptions = {
  key: Key.optional(),
  keyPolicy: KeyPolicy.optional(),
  delayMs: z
    .int()
    .min(0)
    .max(limits.delayMs)
    .optional()
    .meta({ description: "Delay before the first attempt, in milliseconds" }),
  runAt: RequestTime.optional().meta({
    description: "Earliest start time, at most 365 days ahead; mutually exclusive with `delayMs`",
    example: "2026-12-24T18:00:00+01:00",
  }),
  priority: priority.optional().meta({
    description:
      "1 is the highest priority; jobs without a priority run before all prioritized jobs",
  }),
  order: z.enum(["fifo", "lifo"]).optional().meta({
    description:
      "lifo: run before all waiting jobs; mutually exclusive with `priority`, `delayMs` and `runAt`",
  }),
  attempts: attempts.optional().meta({
    description:
      "Maximum number of attempts; default: that of the job type (3 unless the type sets another)",
  }),
  backoff: Backoff.optional(),
  timeoutMs: timeoutMs
    .optional()
    .meta({ description: "Maximum duration of one attempt, in milliseconds" }),
  expiresAt: RequestTime.optional().meta({
    description: "If the job has not been started by this time, its status becomes `expired`",
    example: "2099-12-24T20:00:00+01:00",
  }),
  labels: z
    .array(Label)
    .min(1)
    .max(limits.labels)
    .optional()
    .meta({
      description: "Labels, for searching",
      example: ["nightly", "customer:42"],
    }),
  callbackUrl: CallbackUrl.optional(),
};

const { delayMs: _, runAt: __, expiresAt: ___, ...template } = requestOptions;
/** The options of a job that a schedule enqueues, which cannot have fixed times. */
export const templateOptions = template;

/** The changes of a job that is not active. Omitted fields are not changed. */
export const JobChanges = z
  .strictObject({
    delayMs: z.int().min(0).max(limits.delayMs).optional().meta({
      description: "Delay from now, in milliseconds; 0: run as soon as possible",
    }),
    runAt: RequestTime.optional().meta({
      description: "Earliest start time; mutually exclusive with `delayMs`",
    }),
    priority: priority.nullable().optional().meta({ description: "null removes the priority" }),
  })
  .refine(({ delayMs, runAt, priority }) => (delayMs ?? runAt ?? priority) !== undefined, {
    error: "At least one field is required.",
  })
  .refine(({ delayMs, runAt }) => delayMs === undefined || runAt === undefined, {
    path: ["runAt"],
    error: "`delayMs` and `runAt` are mutually exclusive.",
  })
  .meta({ id: "JobChanges", minProperties: 1, example: { delayMs: 60_000, priority: 10 } });
export type JobChanges = z.infer<typeof JobChanges>;
