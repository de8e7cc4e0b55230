import type { JobEvent } from "@toril/contract/api/jobs/event";
import type { Positions } from "@toril/contract/engine/redis/event-stream";
import type { TenantEvent } from "./event-mapper.ts";

/** A subscription to the events of one job, or of queues. */
export interface Subscription {
  queues: readonly string[];
  jobId?: string;
  /**
   * Set by a subscription that needs only the end of its job: the BullMQ id of the job's generation. When a Toril worker
   * has completed that generation, `end` is called at once, without a read of Postgres.
   */
  awaitedBullId?: string | undefined;
  /** Events up to these positions are not delivered again. */
  after?: Positions | undefined;
  isVisible?(tenantEvent: TenantEvent): boolean;
  /** @param id cursor for `Last-Event-ID`; undefined for an event that was read from Postgres */
  receive(event: JobEvent, id: string | undefined, frame: Uint8Array): void;
  onGap?(queue: string): void;
  /** Called when no more events will follow. */
  end(): void;
}

/** Creates the set of a hub's subscriptions; those of single jobs are found by the job. */
export function createSubscriptions() {
  const byJob = new Map<string, Set<Subscription>>();
  const ofQueues = new Set<Subscription>();
  return {
    ofQueues: ofQueues as ReadonlySet<Subscription>,
    get hasJobs() {
      return byJob.size > 0;
    },
    get isEmpty() {
      return byJob.size === 0 && ofQueues.size === 0;
    },
    getJobIds: () => [...byJob.keys()],
    getOfJob: (id: string) => [...(byJob.get(id) ?? [])],
    getAll: () => [...ofQueues, ...[...byJob.values()].flatMap((ofJob) => [...ofJob])],
    add(subscription: Subscription) {
      const { jobId } = subscription;
      if (jobId === undefined) ofQueues.add(subscription);
      else byJob.set(jobId, (byJob.get(jobId) ?? new Set()).add(subscription));
    },
    delete(subscription: Subscription) {
      ofQueues.delete(subscription);
      const { jobId = "" } = subscription;
      const ofJob = byJob.get(jobId);
      if (ofJob?.delete(subscription) && ofJob.size === 0) byJob.delete(jobId);
    },
  };
}
