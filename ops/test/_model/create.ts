import type { FailurePolicy } from "@toril/client";
import { applyAndAgree, type Command, expectEqual, OnAll, type Real } from "./command.ts";
import {
  addJob,
  type Behaviour,
  dispatch,
  end,
  findHolder,
  type Model,
  type ModelJob,
  types,
  type WorkerKind,
} from "./jobs.ts";

const hour = 3_600_000;

export type Policy = "pending" | "once" | "replace";

export interface Options extends Behaviour {
  key: string | undefined;
  policy: Policy;
}

function toRequest(behaviour: Behaviour, sequence: string) {
  const { worker, isDelayed, isLong, failures, attempts, priority, isLifo } = behaviour;
  const data =
    worker === "handler"
      ? { message: "m", failures, ...(isLong ? { sleepMs: 300_000 } : {}) }
      : { isLong, failures, attempts };
  return {
    type: types[worker],
    data,
    attempts,
    // Only an HTTP worker that takes jobs makes delayed ones of its queue due.
    backoff: { type: "fixed" as const, delay: worker === "pull" ? 0 : 1 },
    labels: [sequence],
    ...(isDelayed ? { delayMs: hour } : {}),
    ...(priority === undefined ? {} : { priority }),
    ...(isLifo && !isDelayed && priority === undefined ? { order: "lifo" as const } : {}),
  };
}

export class Create implements Command {
  readonly options: Options;

  constructor(options: Options) {
    this.options = options;
  }

  check = () => true;

  run(model: Model, real: Real) {
    return applyAndAgree(model, real, () => this.apply(model, real));
  }

  private async apply(model: Model, { stack, sequence }: Real) {
    const { policy, worker } = this.options;
    const key = this.options.key && `${worker} ${this.options.key} of ${sequence}`;
    const taken = policy === "once" && key ? model.windows.get(key) : undefined;
    const existing = findHolder(model, key);
    const isReplaced = existing !== undefined && policy === "replace" && existing.rest !== "runs";
    const duplicated = taken ?? (isReplaced ? undefined : existing);

    const answer = await stack.client.createJob({
      ...toRequest(this.options, sequence),
      ...(key === undefined ? {} : { key, keyPolicy: toPolicy(policy) }),
    });

    const expected = duplicated
      ? ["duplicate", undefined]
      : ["created", isReplaced ? existing.id : undefined];
    expectEqual([answer.outcome, answer.replaced], expected);
    if (duplicated !== undefined) return expectEqual(answer.id, duplicated.id);
    if (isReplaced) end(model, existing, "cancelled");
    const job = addJob(model, this.options, { id: answer.id, key });
    if (policy === "once" && key !== undefined) model.windows.set(key, job);
    dispatch(model, job);
  }

  toString = () => `create ${JSON.stringify(this.options)}`;
}

function toPolicy(policy: Policy) {
  return policy === "once" ? { type: policy, windowMs: hour } : { type: policy };
}

export interface Child {
  behaviour: Behaviour;
  onFailure: FailurePolicy;
}

/** A job that waits for others. */
export class CreateGraph implements Command {
  readonly root: Behaviour;
  readonly children: readonly Child[];

  constructor(root: Behaviour, children: readonly Child[]) {
    this.root = root;
    this.children = children;
  }

  check = () => true;

  run(model: Model, real: Real) {
    return applyAndAgree(model, real, () => this.apply(model, real));
  }

  private async apply(model: Model, { stack: { client }, sequence }: Real) {
    const { id } = await client.createGraph({
      job: toRequest(this.root, sequence),
      children: this.children.map(({ behaviour, onFailure }) => ({
        job: toRequest(behaviour, sequence),
        onFailure,
      })),
    });
    const { items } = await client.listChildren(id);
    expectEqual(items.length, this.children.length);
    const parent = addJob(model, this.root, { id, rest: "waits-for-children" });
    // Ids are in the order of the request.
    const children = this.children.map(({ behaviour, onFailure }, at): ModelJob => {
      return addJob(model, behaviour, { id: items[at]!.id, parent, onFailure });
    });
    for (const child of children) dispatch(model, child);
  }

  toString = () => `graph ${JSON.stringify([this.root, this.children])}`;
}

export const createExpiring = (worker: WorkerKind) =>
  new OnAll(
    `create one of ${worker} that expires`,
    async (model, { stack: { client }, sequence }) => {
      const behaviour: Behaviour = {
        worker,
        isDelayed: false,
        isLong: false,
        failures: 0,
        attempts: 3,
        priority: undefined,
        isLifo: false,
      };
      const expiresAt = new Date(Date.now() + 300).toISOString();
      const { id } = await client.createJob({ ...toRequest(behaviour, sequence), expiresAt });
      end(model, addJob(model, behaviour, { id, rest: "waits" }), "expired");
    },
    (model) => model.paused.has(worker) || worker === "pull",
  );
