import type { RouteHandler } from "@hono/zod-openapi";
import type { Enqueue } from "@toril/contract/enqueue/enqueue";
import { createNewJob, isDataTooLarge } from "@toril/contract/enqueue/new-job";
import { toAnswer } from "@toril/contract/enqueue/record";
import type { createJob as route } from "@toril/contract/http/jobs";
import { type AcceptedJob, limits } from "@toril/contract/job";
import type { StoredAnswer } from "@toril/contract/ledger/idempotency";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import { idempotencyClaim, replayOf } from "../idempotency.ts";
import { ProblemError } from "../problem.ts";

type Answer = StoredAnswer & { body: AcceptedJob; status: 200 | 201 | 202 };

/** Sound because only this route stores answers under its address, which is part of the fingerprint. */
function asOwnAnswer(answer: StoredAnswer): Answer {
  return answer as Answer;
}

export function createJob(enqueue: Enqueue): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const job = createNewJob(c.req.valid("json"), callerOf(c));
    if (isDataTooLarge(job)) {
      throw new ProblemError("data-too-large", `At most ${limits.dataBytes} bytes of data.`);
    }
    const claim = idempotencyClaim(c);
    const outcome = await enqueue.one({ job, claim });
    if (outcome.status === "unstorable") throw new ProblemError("unstorable-json");
    const isReplay = outcome.status !== "accepted";
    const { body, status } = asOwnAnswer(
      isReplay ? replayOf(outcome, claim) : toAnswer(outcome.job, outcome.isPlaced),
    );
    c.set("jobId", body.id);
    return c.json(body, status, {
      Location: `/v1/jobs/${body.id}`,
      ...(isReplay ? { "Idempotency-Replayed": "true" } : {}),
    });
  };
}
