import { Buffer } from "node:buffer";
import {
  awaitCallbackReceivers,
  type CallbackReceiver,
  type Callbacks,
  readCallbackReceivers,
} from "@toril/contract/engine/webhooks/callbacks";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { requireScope } from "../auth/access.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { Reads } from "../stores/reads.ts";

/**
 * Reads which callback URLs a request may use. Throws a problem if the caller's key lacks the scope for callbacks.
 * @param isCertain whether the request names a callback URL; if not, pass its jobs to `requireCallbackScope`
 */
export type FindCallbacks = (
  context: RequestContext,
  url?: string,
  isCertain?: boolean,
) => Promise<Callbacks>;

export function createFindCallbacks(reads: Reads): FindCallbacks {
  return async (context, url, isCertain = true) => {
    if (isCertain) requireScope(context, "jobs:callback");
    return { receivers: await findReceivers(reads, context.principal.tenant), url };
  };
}

/** Reads which callback URLs the webhooks of a tenant permit. */
export function findReceivers(reads: Reads, tenant: string): Promise<CallbackReceiver[]> {
  return awaitCallbackReceivers(() =>
    reads.run(tenant, (sql) => readCallbackReceivers(sql, tenant)),
  );
}

/** Throws a problem if one of the jobs has a callback URL, and the caller's key lacks the scope. */
export function requireCallbackScope(
  context: RequestContext,
  jobs: readonly Pick<NewJob, "callback">[],
): void {
  if (jobs.some(({ callback }) => callback !== null)) requireScope(context, "jobs:callback");
}

/** Whether the JSON of a request may name a callback URL. */
export function mayHaveCallback(body: Uint8Array | undefined): boolean {
  if (body === undefined) return false;
  const { buffer, byteOffset, byteLength } = body;
  return Buffer.from(buffer, byteOffset, byteLength).includes('"callbackUrl"');
}
