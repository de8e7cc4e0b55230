import { applyAndAgree, type Command, expectProblem, OnAll, type Real } from "./command.ts";
import {
  begin,
  dispatch,
  end,
  findHolder,
  isPending,
  type Model,
  type ModelJob,
  queues,
  retry,
  type WorkerKind,
  workerKinds,
} from "./jobs.ts";

const hour = 3_600_000;

/** An action on one job. */
abstract class OnOne implements Command {
  readonly at: number;

  constructor(at: number) {
    this.at = at;
  }

  check = (model: Readonly<Model>) => model.jobs.length > 0;

  async run(model: Model, real: Real) {
    const job = model.jobs[this.at % model.jobs.length];
    if (job !== undefined) await applyAndAgree(model, real, () => this.apply(model, job, real));
  }

  protected abstract apply(model: Model, job: ModelJob, real: Real): Promise<void>;

  toString = () => `${this.constructor.name} ${this.at}`;
}

export class Cancel extends OnOne {
  protected async apply(model: Model, job: ModelJob, { stack: { client } }: Real) {
    const isAllowed = isPending(job) || job.rest === "cancelled";
    await expectProblem(client.cancelJob(job.id), isAllowed ? undefined : "job-ended");
    if (isPending(job)) end(model, job, "cancelled");
  }
}

export class Retry extends OnOne {
  protected async apply(model: Model, job: ModelJob, { stack: { client } }: Real) {
    const again = client.retryJob(job.id);
    if (isPending(job)) return expectProblem(again, "job-pending");
    if (findHolder(model, job.key)) return expectProblem(again, "key-taken");
    await expectProblem(again, undefined);
    retry(model, [job]);
  }
}

export class Redrive extends OnOne {
  protected async apply(model: Model, job: ModelJob, { stack: { client } }: Real) {
    const again = client.redriveDeadLetter(job.id);
    if (job.rest !== "dead") return expectProblem(again, "dead-letter-not-found");
    if (findHolder(model, job.key)) return expectProblem(again, "key-taken");
    await expectProblem(again, undefined);
    retry(model, [job]);
  }
}

export class Promote extends OnOne {
  protected async apply(model: Model, job: ModelJob, { stack: { client } }: Real) {
    const promoted = client.promoteJob(job.id);
    if (!isPending(job)) return expectProblem(promoted, "job-ended");
    if (job.rest === "runs") return expectProblem(promoted, "job-active");
    const isWaiting = job.rest === "waits" || (job.rest === "waits-for-children" && !job.isDelayed);
    if (isWaiting) return expectProblem(promoted, "job-not-delayed");
    await expectProblem(promoted, undefined);
    if (job.rest === "delayed") begin(model, job);
    else job.isDelayed = false;
  }
}

export class Change extends OnOne {
  readonly isDelayed: boolean | undefined;
  readonly priority: number | null;

  constructor(at: number, isDelayed: boolean | undefined, priority: number | null) {
    super(at);
    this.isDelayed = isDelayed;
    this.priority = priority;
  }

  protected async apply(model: Model, job: ModelJob, { stack: { client } }: Real) {
    const { priority, isDelayed } = this;
    const delay = isDelayed === undefined ? {} : { delayMs: isDelayed ? hour : 0 };
    if (isPending(job)) {
      const stale = client.changeJob(job.id, '"as-it-never-was"', { priority, ...delay });
      await expectProblem(stale, "precondition-failed");
    }
    const changed = client.changeJob(job.id, "*", { priority, ...delay });
    if (!isPending(job)) return expectProblem(changed, "job-ended");
    if (job.rest === "runs") return expectProblem(changed, "job-active");
    await expectProblem(changed, undefined);
    job.priority = priority ?? undefined;
    job.isStalled = false;
    if (isDelayed !== undefined) job.isDelayed = isDelayed;
    if (job.rest === "waits-for-children") return;
    if (isDelayed === true) job.rest = "delayed";
    if (isDelayed === false && job.rest === "delayed") dispatch(model, job);
  }

  override toString = () => `Change ${this.at} ${this.isDelayed} ${this.priority}`;
}

export const pause = (worker: WorkerKind) =>
  new OnAll(
    `pause ${worker}`,
    async (model, { stack: { client } }) => {
      await client.pauseQueue(queues[worker]);
      model.paused.add(worker);
    },
    (model) => !model.paused.has(worker),
  );

export const resume = (worker: WorkerKind) =>
  new OnAll(
    `resume ${worker}`,
    async (model, { stack: { client } }) => {
      await client.resumeQueue(queues[worker]);
      model.paused.delete(worker);
      for (const job of model.jobs) {
        if (job.worker === worker && job.rest === "waits") begin(model, job);
      }
    },
    (model) => model.paused.has(worker),
  );

export const redriveAll = new OnAll("redrive all", async (model, { stack, sequence }) => {
  const { client } = stack;
  const filter = { status: "dead" as const, label: sequence };
  const { id } = await client.createOperation({ action: "retry", filter });
  await stack.until("the operation is done", async () => {
    return (await client.getOperation(id)).status === "done" || undefined;
  });
  const dead = model.jobs.filter((job) => job.rest === "dead");
  const free = dead.filter((job) => findHolder(model, job.key) === undefined);
  const isNewest = (job: ModelJob) =>
    job.key === undefined || free.findLast((other) => other.key === job.key) === job;
  retry(model, free.filter(isNewest));
});

/** Resumes all queues and cancels what is pending. */
export async function endSequence(model: Model, real: Real): Promise<void> {
  for (const worker of workerKinds) {
    const command = resume(worker);
    if (command.check(model)) await command.run(model, real);
  }
  await applyAndAgree(model, real, async () => {
    for (const job of model.jobs.filter(isPending)) {
      // A parent that was cancelled before cancels its children.
      await real.stack.client.cancelJob(job.id);
      if (isPending(job)) end(model, job, "cancelled");
    }
  });
}
