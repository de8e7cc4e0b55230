import { TorilError } from "@toril/client";
import { type ProblemKind, problemType } from "@toril/contract/api/problem";
import type fc from "fast-check";
import type { Stack } from "../_stack.ts";
import { agree } from "./agree.ts";
import { type Model, type ModelJob, runs } from "./jobs.ts";
import type { Workers } from "./workers.ts";

/** A stack with its workers, and a name that makes keys and labels unique per sequence. */
export interface Real {
  stack: Stack;
  workers: Workers;
  sequence: string;
}

export type Command = fc.AsyncCommand<Model, Real>;

/** Applies a change to the model and the service, and waits until both stores match the model. */
export async function applyAndAgree(model: Model, real: Real, apply: () => Promise<void>) {
  const running = model.jobs.filter(runs("pull", "stock"));
  const leases = running.map(({ lease }) => lease);
  await apply();
  const cancelled = running.filter((job) => job.rest === "cancelled");
  for (const job of cancelled) {
    await stopWork(job, leases[running.indexOf(job)], real);
  }
  await agree(model, real.stack);
}

/** Ends a cancelled job at its worker: stock workers are not told, and HTTP workers ask. */
async function stopWork(
  { id, worker }: ModelJob,
  lease: string | undefined,
  { stack, workers }: Real,
) {
  await stack.until("the job is cancelled", async () => {
    return (await stack.client.getJob(id)).status === "cancelled" || undefined;
  });
  if (worker === "stock") return workers.endStock(id);
  if (lease === undefined) return;
  expectEqual(await workers.pull.extend(id, lease), { id, cancelled: true });
  const answer = await workers.pull.finish(id, lease, { outcome: "completed", result: null });
  expectEqual(answer, { id, outcome: "already-settled" });
}

/** An action on all jobs. */
export class OnAll implements Command {
  readonly name: string;
  readonly check: (model: Readonly<Model>) => boolean;
  readonly #apply: (model: Model, real: Real) => Promise<void>;

  constructor(
    name: string,
    apply: (model: Model, real: Real) => Promise<void>,
    check: (model: Readonly<Model>) => boolean = () => true,
  ) {
    this.name = name;
    this.#apply = apply;
    this.check = check;
  }

  run(model: Model, real: Real) {
    return applyAndAgree(model, real, () => this.#apply(model, real));
  }

  toString = () => this.name;
}

/** Returns the problem type of a call; undefined if it succeeds. */
async function toProblem(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof TorilError) return error.problem.type;
    throw error;
  }
}

export async function expectProblem(call: Promise<unknown>, kind: ProblemKind | undefined) {
  const found = await toProblem(call);
  const expected = kind === undefined ? undefined : problemType(kind);
  if (found !== expected) throw new Error(`answered ${found ?? "2xx"}, not ${expected ?? "2xx"}`);
}

export function expectEqual(received: unknown, expected: unknown) {
  const [found, wanted] = [JSON.stringify(received), JSON.stringify(expected)];
  if (found !== wanted) throw new Error(`answered ${found}, not ${wanted}`);
}
