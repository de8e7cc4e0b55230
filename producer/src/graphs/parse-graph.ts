import { z } from "zod";
import { defaultFailurePolicy, FailurePolicy, graphLimits } from "@toril/contract/api/jobs/graph";
import { type FieldError, findStart } from "@toril/contract/api/json/json";
import { fieldErrors } from "@toril/contract/api/problem";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { inTurns, nextTurn } from "../http/turn.ts";
import { ProblemError } from "../http/problem.ts";
import { parseJob } from "../jobs/parse-job.ts";
import type { EntryContext } from "../jobs/parse-bulk.ts";
import { parseText, readNode } from "./read-node.ts";

const Text = z.instanceof(Uint8Array, { error: "Required." });
const Children = z.array(Text).min(1);
const Root = z.strictObject({ job: Text, children: Children });
const Child = z.strictObject({
  job: Text,
  onFailure: FailurePolicy.default(defaultFailurePolicy),
  children: Children.optional(),
});

interface Node {
  text: Uint8Array;
  pointer: string;
  level: number;
  parent: NewJob | undefined;
}

/** Limits per turn of the event loop. */
const sliceJobs = 128;
const sliceBytes = 64_000;

/** A graph's jobs, root first, with their JSON Pointers. */
export type ParsedGraph = ReadonlyMap<NewJob, string>;

/**
 * Parses a graph level by level, and yields to the event loop between slices. Throws the problem of the first job that
 * is invalid, with pointers into the body, or `too-many-entries`.
 */
export async function parseGraph(body: Uint8Array, context: EntryContext): Promise<ParsedGraph> {
  const jobs = new Map<NewJob, string>();
  const text = body.subarray(findStart(body));
  const nodes: Node[] = [{ text, pointer: "", level: 1, parent: undefined }];
  let slice = { jobs: 0, bytes: 0 };
  // The list grows while it is read.
  for (const node of nodes) {
    slice.bytes += node.text.length;
    if (slice.jobs > 0 && (slice.jobs === sliceJobs || slice.bytes > sliceBytes)) {
      await nextTurn();
      slice = { jobs: 0, bytes: node.text.length };
    }
    slice.jobs += 1;
    const maxChildren = graphLimits.jobs - nodes.length;
    const fields = await inTurns(readNode(node.text, node.pointer, maxChildren));
    const { job, children } = parseNode(node, fields, context);
    jobs.set(job, node.pointer);
    const level = node.level + 1;
    if (children.length > 0 && level > graphLimits.depth) {
      const detail = `At most ${graphLimits.depth} levels.`;
      throw invalid([{ pointer: `${node.pointer}/children`, detail }]);
    }
    for (const [index, child] of children.entries()) {
      nodes.push({ text: child, pointer: `${node.pointer}/children/${index}`, level, parent: job });
    }
  }
  return jobs;
}

function parseNode({ pointer, parent }: Node, fields: unknown, context: EntryContext) {
  const parsed = (parent === undefined ? Root : Child).safeParse(fields);
  if (!parsed.success) throw invalid(fieldErrors(parsed.error.issues, pointer));
  const { job: text, children = [] } = parsed.data;
  const at = `${pointer}/job`;
  const job: NewJob = {
    ...parseJob(parseText(text, at), at, context),
    parentId: parent?.id ?? null,
    onFailure: "onFailure" in parsed.data ? parsed.data.onFailure : null,
    waitsForChildren: children.length > 0,
  };
  return { job, children };
}

function invalid(errors: FieldError[]) {
  return new ProblemError("invalid-job", undefined, errors);
}
