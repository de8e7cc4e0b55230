import type { FieldError } from "@toril/contract/api/json/json";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors } from "@toril/contract/api/problem";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { type Callback, findImportReceiver } from "@toril/contract/engine/webhooks/callbacks";
import { readJson } from "../http/body.ts";
import { parseKnown, requirePermitted } from "../http/caller.ts";
import { ProblemError, toParameterProblem } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { Idempotency } from "../idempotency/idempotency.ts";
import { withQuota } from "../quotas/quota-reservation.ts";
import { parseThenJob, type ThenJobDeps } from "../jobs/then-job.ts";
import type { FindCallbacks } from "../webhooks/find-callbacks.ts";
import { createCsvDecoder } from "./formats/csv/decoder.ts";
import type { ImportLedger } from "./import-ledger.ts";

export interface CreateDefinitionDeps extends ThenJobDeps {
  importLedger: Pick<ImportLedger, "define">;
  idempotency: Idempotency;
}

/** Creates the function that handles the JSON that creates an import whose parts are sent one by one. */
export function createDefinitionHandler(deps: CreateDefinitionDeps) {
  const { importLedger, idempotency } = deps;
  return async (context: RequestContext) => {
    const parsed = await parseKnown(
      context,
      (schemas) => schemas.ImportDefinition,
      await readJson(context, limits.bodyBytes),
    );
    if (!parsed.success) {
      throw new ProblemError("invalid-import", undefined, fieldErrors(parsed.error.issues));
    }
    const { id = createJobId(), type, callbackUrl, then, dryRun } = parsed.data;
    requirePermitted(context, { type, queue: context.jobTypes.getQueue(type) });
    requireUsableId(id);
    requireKnownEncoding(parsed.data.encoding);
    const { tenant } = context.principal;
    const callback = await findImportCallback(context, type, callbackUrl, deps, (error) => {
      throw new ProblemError("invalid-import", undefined, [error]);
    });
    const parsedThen = then && (await parseThenJob(context, then, deps));
    const thenJob = dryRun ? undefined : parsedThen;
    const define = () =>
      idempotency.inTransaction(context, async (tx) => ({
        status: 201 as const,
        body: await importLedger.define(tx, { tenant, id, callback, thenJob }, parsed.data),
      }));
    return thenJob === undefined ? define() : withQuota(context.quota, 1, define);
  };
}

/** Finds the webhook that permits the callback URL of an import. `refuse` throws if there is none. */
export async function findImportCallback(
  context: RequestContext,
  type: string,
  url: string | undefined,
  { findCallbacks }: { findCallbacks: FindCallbacks },
  refuse: (error: FieldError) => never,
): Promise<Callback | null> {
  if (url === undefined) return null;
  const { receivers } = await findCallbacks(context);
  const receiver = findImportReceiver(receivers, url, type);
  if (receiver !== undefined) return { url, webhook: receiver.id };
  const detail = "No webhook with the event `callback` permits this URL for imports of this type.";
  return refuse({ pointer: "/callbackUrl", detail });
}

function requireKnownEncoding(label: string | undefined): void {
  if (createCsvDecoder(label) !== null) return;
  throw new ProblemError("invalid-import", undefined, [
    { pointer: "/encoding", detail: "Unknown encoding." },
  ]);
}

/** Retention deletes by the time in the ids, and ids of the future would never be old enough. */
const maxIdSkewMs = 3_600_000;

/** Throws a problem if the id that a client chose for an import cannot be used. */
export function requireUsableId(id: string): void {
  const time = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  if (time > Date.now() + maxIdSkewMs) {
    throw toParameterProblem("/id", "The time of the UUID v7 is in the future.");
  }
}
