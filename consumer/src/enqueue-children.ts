import type { Withdraw } from "@toril/contract/change/withdraw";
import type { Placement } from "@toril/contract/dispatch/place";
import type { Remove } from "@toril/contract/dispatch/remove";
import { createBreaker } from "@toril/contract/enqueue/breaker";
import { createDispatcher } from "@toril/contract/enqueue/dispatcher";
import { createEnqueue } from "@toril/contract/enqueue/enqueue";
import { createNewJob, type NewJob, type Origin } from "@toril/contract/enqueue/new-job";
import { findJobType, JobRequest } from "@toril/contract/jobs";
import { findUnstorable } from "@toril/contract/json";
import type { Ledger } from "@toril/contract/ledger/pool";
import { problemKinds } from "@toril/contract/problem";
import type { KeyRing } from "@toril/contract/secret/key-ring";
import { createScrub } from "@toril/contract/secret/scrub";
import { z } from "zod";
import type { EnqueuedChildren } from "./handler.ts";
import type { Log } from "./log.ts";

export interface EnqueueChildrenDeps {
  ledger: Ledger;
  place(queue: string, jobs: readonly Placement[]): Promise<unknown>;
  remove: Remove;
  withdraw: Withdraw;
  secretKeys: KeyRing | undefined;
  /** Fails as long as Redis is away. */
  probe(): Promise<unknown>;
  onPlacingAgain(): void;
  log: Log;
}

/** One transaction each: short enough that nobody waits for its locks. */
const chunkSize = 500;
/** What a handler waits for Postgres before its run fails. */
const timeoutMs = 10_000;
const probeEveryMs = 1000;
/** Jobs that may be recorded for the reconciler while Redis is away. */
const maxUnplaced = 10_000;

/** What handlers enqueue passes the same checks as what clients do. */
export function createEnqueueChildren(deps: EnqueueChildrenDeps) {
  const { ledger, place, remove, withdraw, secretKeys, probe, onPlacingAgain, log } = deps;
  const breaker = createBreaker({
    probe,
    probeEveryMs,
    onChange(isOpen, error) {
      if (isOpen) log.warn({ err: error }, "jobs of handlers are recorded, but not placed");
      else onPlacingAgain();
    },
  });
  const dispatcher = createDispatcher({ place, remove, withdraw, breaker, maxUnplaced });
  const { many } = createEnqueue({ ledger, dispatcher, timeoutMs });

  async function tenantOf(id: string): Promise<string> {
    const [row] = await ledger.run(
      (sql) => sql<{ tenant: string }[]>`select tenant from jobs where id = ${id}`,
    );
    if (row === undefined) throw new Error("the job is not in the ledger any more");
    return row.tenant;
  }

  return {
    async enqueue(
      parent: string,
      requests: readonly JobRequest[],
      traceparent?: string,
    ): Promise<EnqueuedChildren> {
      const origin = { tenant: await tenantOf(parent), trace: traceparent };
      const children: EnqueuedChildren = { created: 0, duplicate: 0, refused: [] };
      for (let start = 0; start < requests.length; start += chunkSize) {
        const jobs: NewJob[] = [];
        for (const [offset, request] of requests.slice(start, start + chunkSize).entries()) {
          const checked = toNewJob(request, origin, secretKeys);
          if (checked.status === "ok") jobs.push(checked.job);
          else children.refused.push({ index: start + offset, detail: checked.detail });
        }
        const outcome = await many({ jobs });
        if (outcome.status !== "accepted") throw new Error(`not enqueued: ${outcome.status}`);
        for (const { isNew } of outcome.jobs) children[isNew ? "created" : "duplicate"] += 1;
      }
      return children;
    },
    /** Places what was recorded elsewhere. */
    dispatch: (jobs: readonly NewJob[]) => dispatcher.dispatch(jobs),
    takeBack: dispatcher.takeBack,
    close: () => breaker.close(),
  };
}

type Checked = { status: "ok"; job: NewJob } | { status: "refused"; detail: string };

function toNewJob(request: JobRequest, origin: Origin, keys: KeyRing | undefined): Checked {
  const parsed = JobRequest.safeParse(request);
  if (!parsed.success) {
    const findSecrets = findJobType(request.type)?.findSecrets;
    const scrub = findSecrets && createScrub(request.data, findSecrets);
    const detail = z.prettifyError(parsed.error);
    return { status: "refused", detail: scrub?.text(detail) ?? detail };
  }
  const unstorable = findUnstorable(parsed.data.data, 0);
  if (unstorable !== undefined) {
    return { status: "refused", detail: `${unstorable.pointer}: ${unstorable.detail}` };
  }
  const made = createNewJob(parsed.data, origin, keys);
  if (made.status === "ok") return made;
  return { status: "refused", detail: made.detail ?? problemKinds[made.kind].title };
}
