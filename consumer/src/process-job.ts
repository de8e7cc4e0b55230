import { parseBullId } from "@toril/contract/dispatch/names";
import { findJobType } from "@toril/contract/jobs";
import type { KeyRing } from "@toril/contract/secret/key-ring";
import type { Job } from "bullmq";
import type { ActiveJob, ActiveJobs } from "./active-jobs.ts";
import { JobContext, type ContextDeps } from "./context.ts";
import type { Fates } from "./fates.ts";
import type { Freshness } from "./freshness.ts";
import { GiveUp, type Handlers } from "./handler.ts";
import { openSecrets } from "./open-secrets.ts";
import { runHandler } from "./run-handler.ts";
import { createVerdicts, type Outcome, type Verdict, type VerdictDeps } from "./verdict.ts";

export interface ProcessorDeps extends ContextDeps, VerdictDeps {
  handlers: Handlers;
  fates: Fates;
  freshness: Freshness;
  activeJobs: ActiveJobs;
  secretKeys: KeyRing | undefined;
  onOutcome(queue: string, type: string, outcome: Outcome): void;
}

/** What an unknown type waits for: a consumer of the version that knows it. */
const unknownTypeDelayMs = 30_000;
/** A key that is missing is one that somebody forgot to hand out: the job waits for it, but not much longer than a day. */
const unknownKeyDelayMs = 30_000;
const maxKeyWaits = 3000;

/** BullMQ's processor: returns when BullMQ may forget the job, throws what BullMQ is to make of it otherwise. */
export function createProcessor(
  queue: string,
  deps: ProcessorDeps,
): (job: Job, token?: string) => Promise<void> {
  const { handlers, fates, freshness, activeJobs, secretKeys } = deps;
  const verdicts = createVerdicts(deps);

  async function judge(job: Job, token: string, active: ActiveJob): Promise<Verdict> {
    const target = parseBullId(job.id ?? "");
    if (target === undefined) return verdicts.foreign();
    if (!active.isAborted && !freshness.isFresh(job)) {
      const fate = await fates.ask(target.id, target.run);
      if (fate.status !== "pending") return verdicts.stood(job, fate);
      // A hash without a name is what is left when Redis lost it.
      if (!job.name) await restore(job, target.id);
    }
    if (active.isAborted) return verdicts.handBack(job, token);
    const jobType = findJobType(job.name);
    if (jobType === undefined) {
      deps.log.warn({ jobId: job.id, type: job.name }, "no handler for this type: delayed");
      return verdicts.delay(job, token, new Date(Date.now() + unknownTypeDelayMs));
    }
    const attempt = job.attemptsMade + 1;
    const opened = openSecrets(jobType, target.id, job.data, secretKeys);
    if (opened.status === "unknown-key" && job.attemptsStarted < maxKeyWaits) {
      deps.log.warn({ jobId: job.id, type: job.name, keyId: opened.keyId }, opened.detail);
      return verdicts.delay(job, token, new Date(Date.now() + unknownKeyDelayMs));
    }
    if (opened.status !== "ok") {
      const start = { job, token, target, attempt, scrub: undefined };
      return verdicts.fail(start, new GiveUp(opened.detail));
    }
    const { data, scrub } = opened;
    const context = new JobContext(deps, { job, active, id: target.id, attempt, scrub });
    const ran = await runHandler(handlers, jobType, data, context, scrub);
    const start = { job, token, target, attempt, scrub };
    if (ran.status === "completed") return verdicts.complete(start, ran.result);
    if (active.isAborted) return verdicts.handBack(job, token);
    return verdicts.fail(start, ran.thrown);
  }

  async function restore(job: Job, id: string) {
    const recorded = await fates.load(id);
    if (recorded === undefined) return;
    job.name = recorded.type;
    job.data = recorded.data;
    Object.assign(job.opts, recorded.options);
  }

  return async (job, token = "") => {
    const active = activeJobs.begin();
    try {
      const { outcome, thrown } = await judge(job, token, active);
      deps.onOutcome(queue, labelOf(job), outcome);
      if (thrown !== undefined) throw thrown;
    } finally {
      activeJobs.end(active);
    }
  };
}

/** Of a metric, which must not have as many labels as anybody makes up. */
export function labelOf(job: Job): string {
  return findJobType(job.name)?.type ?? "unknown";
}
