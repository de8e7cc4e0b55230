import type { Restrictions } from "@toril/contract/engine/jobs/change/select";
import type { RequestSchemas } from "@toril/contract/api/registry";
import type { z } from "zod";
import { parseSafely } from "@toril/contract/api/job-data/parse-safely";
import type { JobType } from "@toril/contract/api/job-type";
import type { Origin } from "@toril/contract/engine/jobs/enqueue/new-job";
import { isPermitted } from "../auth/principal.ts";
import type { RequestContext } from "./request-context.ts";
import { ProblemError } from "./problem.ts";

const traceParent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Returns the origin to record with the jobs of a request: tenant, quota key and trace. */
export function getOrigin({
  request,
  traceparent,
  principal: { id, tenant, quotas },
}: RequestContext): Origin {
  const trace = traceparent ?? request.headers.get("traceparent");
  return {
    tenant,
    quotaKey: (quotas?.maxWaiting ?? quotas?.rate) === undefined ? undefined : id,
    trace: trace && traceParent.test(trace) ? trace : undefined,
  };
}

/** The owner of an operation, and the jobs the operation may touch. */
export interface OperationOwner {
  tenant: string;
  restrictions: Restrictions;
  /** Id of the key, if the key has quotas. */
  quotaKey: string | undefined;
}

export function toOperationOwner(context: RequestContext): OperationOwner {
  const { id, tenant, quotas } = context.principal;
  return {
    tenant,
    restrictions: getRestrictions(context),
    quotaKey: quotas === null ? undefined : id,
  };
}

/** The tenant whose operations are read, and the job types that the caller may not see. */
export interface OperationViewer {
  tenant: string;
  hidden: readonly { type: string; queue: string }[];
}

export function toOperationViewer({ principal, jobTypes }: RequestContext): OperationViewer {
  const hidden = jobTypes.types.filter((jobType) => !isPermitted(principal, jobType));
  return { tenant: principal.tenant, hidden: hidden.map(({ type, queue }) => ({ type, queue })) };
}

/** The tenant whose imports are read, and the job types that the caller may see. */
export interface ImportViewer {
  tenant: string;
  /** Undefined: all except the hidden ones. */
  types: readonly string[] | undefined;
  hidden: readonly string[];
}

export function toImportViewer(context: RequestContext): ImportViewer {
  const { tenant, hidden } = toOperationViewer(context);
  const { types } = getRestrictions(context);
  return { tenant, types, hidden: hidden.map(({ type }) => type) };
}

/** Throws `forbidden-resource` if the caller's key does not permit this queue and type. */
export function requirePermitted(
  { principal }: RequestContext,
  work: { queue: string; type: string },
): void {
  if (isPermitted(principal, work)) return;
  throw new ProblemError(
    "forbidden-resource",
    `The key does not permit jobs of type ${work.type} in the queue ${work.queue}.`,
  );
}

/** Finds a job type, also one that was registered a moment ago at another producer. */
export async function findJobType(
  context: RequestContext,
  name: string,
): Promise<JobType | undefined> {
  const known = context.jobTypes.find(name);
  if (known !== undefined) return known;
  await refreshJobTypes(context);
  return context.jobTypes.find(name);
}

/** Loads the job types again, before a request is refused because of an unknown one. */
export async function refreshJobTypes({
  jobTypes,
}: Pick<RequestContext, "jobTypes">): Promise<void> {
  if (await jobTypes.refresh()) return;
  throw new ProblemError("at-capacity", "The job types cannot be read at the moment.");
}

/** Throws a problem if the parameters of a request name an unknown job type or queue. */
export async function requireKnown(
  context: RequestContext,
  { type, queue }: { type?: string | undefined; queue?: string | undefined },
): Promise<void> {
  const isKnownType = () => type === undefined || context.jobTypes.findRecorded(type) !== undefined;
  const isKnownQueue = () => queue === undefined || context.jobTypes.queues.includes(queue);
  if (isKnownType() && isKnownQueue()) return;
  await refreshJobTypes(context);
  const { names, queues } = context.jobTypes;
  if (!isKnownType()) throw toUnknownName("/type", names);
  if (!isKnownQueue()) throw toUnknownName("/queue", queues);
}

/** Parses a body that may name job types; if it is invalid, loads the job types again first. */
export async function parseKnown<Output>(
  context: RequestContext,
  select: (schemas: RequestSchemas) => z.ZodType<Output>,
  value: unknown,
): Promise<z.ZodSafeParseResult<Output>> {
  const parsed = parseSafely(select(context.jobTypes.schemas), value);
  if (parsed.success || !(await context.jobTypes.refresh())) return parsed;
  return parseSafely(select(context.jobTypes.schemas), value);
}

function toUnknownName(pointer: string, known: readonly string[]): ProblemError {
  const detail = `Invalid option: expected one of ${known.map((name) => `"${name}"`).join("|")}`;
  return new ProblemError("invalid-parameter", undefined, [{ pointer, detail }]);
}

/** Returns the queues and types that lists are restricted to; undefined means unrestricted. */
export function getRestrictions({ principal: { queues, types } }: RequestContext) {
  return { queues: queues ? [...queues] : undefined, types: types ? [...types] : undefined };
}

/** Throws a problem if the caller's key is restricted to queues or types. */
export function requireUnrestricted({ principal }: RequestContext, resource: string): void {
  if ((principal.queues ?? principal.types) === null) return;
  const detail = `${resource} requires a key that is not restricted to queues or types.`;
  throw new ProblemError("forbidden-resource", detail);
}
