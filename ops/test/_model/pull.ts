import { applyAndAgree, type Command, expectEqual, OnAll, type Real } from "./command.ts";
import {
  begin,
  end,
  isPending,
  type Model,
  type ModelJob,
  type ModelLease,
  types,
} from "./jobs.ts";

/** An HTTP worker takes jobs. */
export const take = (max: number) =>
  new OnAll(`take ${max}`, async (model, { workers }) => {
    const waiting = model.jobs.filter((job) => job.worker === "pull" && job.rest === "waits");
    const available = model.paused.has("pull") ? 0 : Math.min(max, waiting.length);
    // Jobs without a priority come first.
    const getPriority = (job: ModelJob) => (job.isStalled ? 0 : (job.priority ?? 0));
    const inOrder = waiting.map(getPriority).toSorted((a, b) => a - b);

    const taken = await workers.pull.take({ types: [types.pull], max });
    const jobs = taken.map(({ id, lease }) => {
      const job = waiting.find((one) => one.id === id);
      if (job === undefined) throw new Error(`took ${id}, which does not wait`);
      return { job, lease };
    });
    expectEqual(
      jobs.map(({ job }) => getPriority(job)),
      inOrder.slice(0, available),
    );
    for (const { job, lease } of jobs) {
      Object.assign(job, { rest: "runs", isStalled: false, lease });
      model.leases.push({ job, generation: job.generation, lease });
    }
  });

/** An HTTP worker reports on a job, also with a lease that it has lost. */
abstract class OnLease implements Command {
  readonly at: number;

  constructor(at: number) {
    this.at = at;
  }

  check = (model: Readonly<Model>) => model.leases.length > 0;

  async run(model: Model, real: Real) {
    const lease = model.leases[this.at % model.leases.length];
    if (lease !== undefined) {
      await applyAndAgree(model, real, () => this.apply(model, lease, real));
    }
  }

  protected abstract apply(model: Model, lease: ModelLease, real: Real): Promise<void>;

  toString = () => `${this.constructor.name} ${this.at}`;
}

const hasEnded = ({ job, generation }: ModelLease) =>
  job.generation > generation || !isPending(job);

const error = { name: "Failed", message: "as the model says" };

/** What a worker may report. */
export const reports = {
  completed: { outcome: "completed", result: null },
  retried: { outcome: "failed", error },
  dead: { outcome: "failed", error, retry: false },
  delayed: { outcome: "failed", error, retry: { afterMs: 3_600_000 } },
  released: { outcome: "released" },
} as const;

export class Finish extends OnLease {
  readonly report: keyof typeof reports;

  constructor(at: number, report: keyof typeof reports) {
    super(at);
    this.report = report;
  }

  protected async apply(model: Model, lease: ModelLease, { workers }: Real) {
    const { job } = lease;
    const { id } = job;
    const answer = await workers.pull.finish(id, lease.lease, reports[this.report]);
    if (job.lease !== lease.lease) {
      const outcome = hasEnded(lease) ? "already-settled" : "lease-lost";
      return expectEqual(answer, { id, outcome });
    }
    const isLast = job.made + 1 >= job.attempts;
    const follows = this.report === "retried" && isLast ? "dead" : this.report;
    expectEqual(answer, { id, outcome: "settled", job: follows });
    job.lease = undefined;
    if (follows === "completed" || follows === "dead" || follows === "retried") job.made += 1;
    if (follows === "completed" || follows === "dead") end(model, job, follows);
    else if (follows === "delayed") job.rest = "delayed";
    else begin(model, job);
  }

  override toString = () => `finish ${this.at} as ${this.report}`;
}

export class Extend extends OnLease {
  protected async apply(_: Model, lease: ModelLease, { workers }: Real) {
    const { id } = lease.job;
    const answer = await workers.pull.extend(id, lease.lease);
    if (lease.job.lease !== lease.lease) {
      const cancelled = hasEnded(lease) ? { cancelled: true } : {};
      return expectEqual(answer, { id, ...cancelled, lost: true });
    }
    expectEqual(Object.keys(answer), ["id", "leaseUntil"]);
  }
}
