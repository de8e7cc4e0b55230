import { defaultTenant } from "@toril/contract/api/access/api-key";
import type { FieldError } from "@toril/contract/api/json/json";
import type { WorkerKind } from "@toril/contract/api/job-type";
import type { JobsToTake } from "@toril/contract/api/worker/take";
import { parseLease } from "@toril/contract/engine/jobs/attempt/lease";
import { isPermitted } from "../auth/principal.ts";
import { refreshJobTypes } from "../http/caller.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";

type Caller = Pick<RequestContext, "principal" | "jobTypes">;

/** Decides which queues a worker may take from. */
export interface WorkAccess {
  /**
   * Loads the job types again if a lease shows that another process knows more of them. Throws a problem if that fails.
   */
  requireTypes(caller: Caller, leases: readonly string[]): Promise<void>;
  /** Whether the worker may finish jobs of the queue. */
  mayWork(caller: Caller, queue: string): boolean;
  /**
   * Returns the queues that a request may take from. Looks up what this process does not know yet. Throws a problem for
   * an unknown or forbidden queue or type.
   * @param pointer JSON Pointer to the selection in the body
   */
  getQueues(caller: Caller, selection: JobsToTake, pointer: string): Promise<string[]>;
}

/** The endpoint of a `push` type may finish its jobs like a worker. */
const finishableKinds: readonly WorkerKind[] = ["pull", "push"];

/** @param sharedQueues queues of job types that are defined in code, with jobs of all tenants */
export function createWorkAccess(sharedQueues: ReadonlySet<string>): WorkAccess {
  function findRefusal({ principal, jobTypes }: Caller, queue: string): string | undefined {
    if (sharedQueues.has(queue) && principal.tenant !== defaultTenant) {
      return `The queue ${queue} has jobs of all tenants: only keys of the tenant ${defaultTenant} may take from it.`;
    }
    return jobTypes.getTypes(queue).every((type) => isPermitted(principal, { queue, type }))
      ? undefined
      : `The key does not permit all job types of the queue ${queue}.`;
  }

  function requirePermitted(caller: Caller, queue: string) {
    const detail = findRefusal(caller, queue);
    if (detail !== undefined) throw new ProblemError("forbidden-resource", detail);
  }

  function getQueuesOfTypes(caller: Caller, types: readonly string[], pointer: string): string[] {
    const { jobTypes } = caller;
    const requested = new Set(types);
    const queues = new Set<string>();
    const errors: FieldError[] = [];
    types.forEach((name, index) => {
      const type = jobTypes.find(name);
      const at = `${pointer}/types/${index}`;
      if (type?.worker !== "pull") {
        errors.push({ pointer: at, detail: "Not a job type with the worker `pull`." });
        return;
      }
      const others = jobTypes.getTypes(type.queue).filter((other) => !requested.has(other));
      if (others.length > 0) {
        const detail = `The queue ${type.queue} also has jobs of: ${others.join(", ")}. Name these types too, or the queue in \`queues\`.`;
        errors.push({ pointer: at, detail });
      }
      queues.add(type.queue);
    });
    if (errors.length > 0) throw new ProblemError("invalid-request", undefined, errors);
    return [...queues];
  }

  /** Another producer may have registered a type a moment ago. */
  function isKnown({ jobTypes }: Caller, types?: readonly string[], queues?: readonly string[]) {
    const pullQueues = jobTypes.getQueues("pull");
    return (
      types?.every((name) => jobTypes.find(name)?.worker === "pull") !== false &&
      queues?.every((queue) => pullQueues.includes(queue)) !== false
    );
  }

  const isFinishable = ({ jobTypes }: Caller, queue: string) =>
    finishableKinds.some((kind) => jobTypes.getQueues(kind).includes(queue));

  return {
    async requireTypes(caller, leases) {
      const parsed = leases.flatMap((text) => parseLease(text) ?? []);
      const queues = new Set(parsed.map(({ queue }) => queue));
      const known = caller.jobTypes.getRevision();
      const isBehind =
        parsed.some(({ revision = 0 }) => revision > known) ||
        [...queues].some((queue) => !isFinishable(caller, queue));
      if (isBehind) await refreshJobTypes(caller);
    },
    mayWork: (caller, queue) =>
      isFinishable(caller, queue) && findRefusal(caller, queue) === undefined,
    async getQueues(caller, { types, queues }, pointer) {
      if (!isKnown(caller, types, queues)) await caller.jobTypes.refresh();
      const pullQueues = caller.jobTypes.getQueues("pull");
      if (types === undefined && queues === undefined) {
        return pullQueues.filter((queue) => findRefusal(caller, queue) === undefined);
      }
      const selected = queues ?? getQueuesOfTypes(caller, types ?? [], pointer);
      const errors = selected.flatMap((queue, index) =>
        pullQueues.includes(queue)
          ? []
          : [
              {
                pointer: `${pointer}/queues/${index}`,
                detail: "Not a queue of job types with the worker `pull`.",
              },
            ],
      );
      if (errors.length > 0) throw new ProblemError("invalid-request", undefined, errors);
      for (const queue of selected) requirePermitted(caller, queue);
      return selected;
    },
  };
}
