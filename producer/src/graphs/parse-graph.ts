import { z } from "zod";
import { defaultFailurePolicy, FailurePolicy, graphLimits } from "@toril/contract/api/jobs/graph";
import type { FieldError } from "@toril/contract/api/json/json";
import { fieldErrors } from "@toril/contract/api/problem";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { nextTurn } from "../http/turn.ts";
import { ProblemError } from "../http/problem.ts";
import { parseJob } from "../jobs/parse-job.ts";
import type { EntryContext } from "../jobs/parse-bulk.ts";

const Children = z.array(z.unknown()).min(1);
const Root = z.strictObject({ job: z.unknown(), children: Children });
const Child = z.strictObject({
  job: z.unknown(),
  onFailure: FailurePolicy.default(defaultFailurePolicy),
  children: Children.optional(),
});

interface Node {
  value: unknown;
  pointer: string;
  level: number;
  parent: NewJob | undefined;
}

/** Jobs that are parsed per turn of the event loop. */
const sliceJobs = 128;

/** A graph's jobs, root first, with their JSON Pointers. */
export type ParsedGraph = ReadonlyMap<NewJob, string>;

/**
 * Parses a graph level by level. Throws the problem of the first job that is invalid, with pointers into the body, or
 * `too-many-entries`.
 */
export async function parseGraph(body: unknown, context: EntryContext): Promise<ParsedGraph> {
  const jobs = new Map<NewJob, string>();
  const nodes: Node[] = [{ value: body, pointer: "", level: 1, parent: undefined }];
  // The list grows while it is read.
  for (const node of nodes) {
    if (jobs.size > 0 && jobs.size % sliceJobs === 0) await nextTurn();
    const { job, children } = parseNode(node, context);
    jobs.set(job, node.pointer);
    const level = node.level + 1;
    if (children.length > 0 && level > graphLimits.depth) {
      const detail = `At most ${graphLimits.depth} levels.`;
      throw invalid([{ pointer: `${node.pointer}/children`, detail }]);
    }
    if (nodes.length + children.length > graphLimits.jobs) {
      throw new ProblemError("too-many-entries", `At most ${graphLimits.jobs} jobs in one graph.`);
    }
    for (const [index, value] of children.entries()) {
      nodes.push({ value, pointer: `${node.pointer}/children/${index}`, level, parent: job });
    }
  }
  return jobs;
}

function parseNode({ value, pointer, parent }: Node, context: EntryContext) {
  const parsed = (parent === undefined ? Root : Child).safeParse(value);
  if (!parsed.success) throw invalid(fieldErrors(parsed.error.issues, pointer));
  const { job: request, children = [] } = parsed.data;
  const job: NewJob = {
    ...parseJob(request, `${pointer}/job`, context),
    parentId: parent?.id ?? null,
    onFailure: "onFailure" in parsed.data ? parsed.data.onFailure : null,
    waitsForChildren: children.length > 0,
  };
  return { job, children };
}

function invalid(errors: FieldError[]) {
  return new ProblemError("invalid-job", undefined, errors);
}
