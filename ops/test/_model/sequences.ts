import type { FailurePolicy } from "@toril/client";
import fc from "fast-check";
import { Cancel, Change, pause, Promote, Redrive, redriveAll, resume, Retry } from "./change.ts";
import type { Command } from "./command.ts";
import { Create, CreateGraph, createExpiring, type Policy } from "./create.ts";
import { flush, killConsumer, killOthers } from "./faults.ts";
import { workerKinds } from "./jobs.ts";
import { Extend, Finish, reports, take } from "./pull.ts";

const { MODEL_RUNS = "15", MODEL_SEED } = process.env;

/** MODEL_RUNS sets the number of sequences, MODEL_SEED repeats a run. */
export const hunt = {
  numRuns: Number(MODEL_RUNS),
  ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
};

const anyJob = fc.nat({ max: 1000 });
// HTTP workers are part of the model: their jobs need further commands.
const anyKind = fc.constantFrom(...workerKinds, "pull");
const behaviour = {
  worker: anyKind,
  isDelayed: fc.nat({ max: 3 }).map((value) => value === 0),
  isLong: fc.boolean(),
  failures: fc.nat({ max: 2 }),
  attempts: fc.integer({ min: 1, max: 3 }),
  priority: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  isLifo: fc.boolean(),
};

/** Policies whose effects do not depend on which of two children fails first. */
const policies = fc.constantFrom<FailurePolicy[]>(
  ["failParentOnFailure", "ignoreDependencyOnFailure"],
  ["continueParentOnFailure", "ignoreDependencyOnFailure"],
  ["removeDependencyOnFailure", "ignoreDependencyOnFailure"],
);
const graph = policies.chain((onFailure) => {
  const child = fc.record({
    behaviour: fc.record(behaviour),
    onFailure: fc.constantFrom(...onFailure),
  });
  return fc
    .tuple(fc.record(behaviour), fc.array(child, { minLength: 1, maxLength: 3 }))
    .map((input) => new CreateGraph(...input));
});

/** Random sequences of requests of clients and workers, and of faults. */
export function sequences(most: number): fc.Arbitrary<Iterable<Command>> {
  const isDelayed = fc.option(fc.boolean(), { nil: undefined });
  const priority = fc.option(fc.integer({ min: 1, max: 3 }));
  const create = fc
    .record({
      ...behaviour,
      key: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
      policy: fc.constantFrom<Policy>("pending", "once", "replace"),
    })
    .map((input) => new Create(input));
  const report = fc.constantFrom(...(Object.keys(reports) as (keyof typeof reports)[]));
  const pauses = anyKind.chain((kind) => fc.constantFrom(pause(kind), resume(kind)));
  const commands: fc.Arbitrary<Command>[] = [
    create,
    create,
    create,
    create,
    graph,
    anyJob.map((at) => new Cancel(at)),
    anyJob.map((at) => new Retry(at)),
    anyJob.map((at) => new Redrive(at)),
    anyJob.map((at) => new Promote(at)),
    fc.tuple(anyJob, isDelayed, priority).map((input) => new Change(...input)),
    fc.integer({ min: 1, max: 5 }).map(take),
    fc.integer({ min: 1, max: 5 }).map(take),
    ...Array.from({ length: 3 }, () =>
      fc.tuple(anyJob, report).map((input) => new Finish(...input)),
    ),
    anyJob.map((at) => new Extend(at)),
    fc.oneof(pauses, pauses, anyKind.map(createExpiring), fc.constant<Command>(redriveAll)),
    fc.oneof(pauses, pauses, fc.constantFrom<Command>(flush, killConsumer, killOthers)),
  ];
  return fc.commands(commands, { maxCommands: most, size: "max" });
}
