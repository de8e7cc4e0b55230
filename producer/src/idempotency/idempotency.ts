import { randomUUID } from "node:crypto";
import type { ISql, TransactionSql } from "postgres";
import { isIdempotencyKeyInUse } from "@toril/contract/engine/postgres/errors";
import {
  storeFinalResponse,
  storeProvisionalResponse,
  type Checkpoint,
  holdIdempotencyKey,
  releaseHeldKey,
  saveCheckpoint,
  touchHeldKey,
} from "@toril/contract/engine/postgres/held-idempotency";
import {
  claimIdempotencyKeys,
  type Claimed,
  type IdempotencyClaim,
  type StoredResponse,
  storeResponses,
} from "@toril/contract/engine/postgres/idempotency";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { RequestContext } from "../http/request-context.ts";
import { createClaim, toKeyedHashes } from "./claim.ts";
import type { TenantLedger } from "../stores/postgres.ts";
import { ProblemError } from "../http/problem.ts";

export type MaybeReplayed<OwnResponse extends StoredResponse> = OwnResponse & { isReplay: boolean };

/** Stores the response in the given transaction. */
export type StoreResponse = (tx: TransactionSql, response: StoredResponse) => Promise<void>;

/** An Idempotency-Key that is locked while its request runs in several transactions. */
export interface LockedKey {
  storeResponse: StoreResponse;
  /**
   * Stores a provisional response in the transaction that does the work, because the final response is known only
   * afterwards. A repeated request gets the provisional one if this process dies in between. Throws a problem if
   * another request has taken over.
   */
  storeEarlyResponse(tx: ISql, response: StoredResponse): Promise<void>;
  /**
   * Progress of an interrupted request with this key; `isSame` compares a hash of the body's prefix with the stored
   * one.
   */
  checkpoint: (Checkpoint & { isSame(bodyHash: string): boolean }) | undefined;
  /**
   * Saves the progress of this request, or without a checkpoint only that the request is alive. Throws a problem if
   * another request has taken over, so that the transaction rolls back.
   */
  saveCheckpoint(tx: ISql, checkpoint?: Checkpoint): Promise<void>;
}

/**
 * Runs a request with an Idempotency-Key once; later requests get the stored response. Work that throws releases the
 * key. `readJson` must have read the body before, unless there is none.
 */
export interface Idempotency {
  /** Work and response share one transaction. A concurrent request with the same key waits up to the lock timeout. */
  inTransaction<OwnResponse extends StoredResponse>(
    context: RequestContext,
    work: (tx: TransactionSql) => Promise<OwnResponse>,
  ): Promise<MaybeReplayed<OwnResponse>>;
  /**
   * For other work: a concurrent request with the same key is refused. If this process dies, the next request gets the
   * stored response, resumes from the checkpoint, or repeats the work, which must be harmless.
   * @param work may store its response in its last transaction
   * @param bodyHash reads a body too large to be read before, unless the work has read it
   */
  acrossTransactions<OwnResponse extends StoredResponse>(
    context: RequestContext,
    work: (key: LockedKey) => Promise<OwnResponse>,
    bodyHash?: () => Promise<string>,
  ): Promise<MaybeReplayed<OwnResponse>>;
}

/** Well below the age at which a claim counts as abandoned. */
const renewEveryMs = 20_000;

/** Safe cast: the fingerprint includes method and target, so the same route stored the response. */
function asOwnResponse<OwnResponse extends StoredResponse>(
  response: StoredResponse,
): MaybeReplayed<OwnResponse> {
  return { ...(response as OwnResponse), isReplay: true };
}

export function createIdempotency(
  ledger: TenantLedger,
  secretKeys: KeyRing | undefined,
): Idempotency {
  const inOneTransaction = <Result>(
    tenant: string,
    work: (tx: TransactionSql) => Promise<Result>,
  ) => ledger.run(tenant, (sql) => sql.begin(work) as Promise<Result>);

  async function inTransaction<OwnResponse extends StoredResponse>(
    context: RequestContext,
    work: (tx: TransactionSql) => Promise<OwnResponse>,
  ): Promise<MaybeReplayed<OwnResponse>> {
    const claim = createClaim(context, secretKeys);
    return inOneTransaction(context.principal.tenant, async (tx) => {
      const claimed = claim && (await claimOne(tx, claim));
      if (claimed?.status === "stored") return asOwnResponse<OwnResponse>(claimed.response);
      const response = await work(tx);
      if (claim) await storeResponses(tx, [{ ...claim, response }]);
      return { ...response, isReplay: false };
    });
  }

  async function acrossTransactions<OwnResponse extends StoredResponse>(
    context: RequestContext,
    work: (key: LockedKey) => Promise<OwnResponse>,
    bodyHash?: () => Promise<string>,
  ): Promise<MaybeReplayed<OwnResponse>> {
    const { tenant } = context.principal;
    const claimed = createClaim(context, secretKeys);
    if (claimed === undefined) return { ...(await work(withoutKey)), isReplay: false };
    const bodyHashes = async (): Promise<readonly string[]> =>
      bodyHash === undefined ? [] : toKeyedHashes(await bodyHash(), secretKeys);
    const claim = { ...claimed, owner: randomUUID() };
    const held = await ledger.run(tenant, (sql) => holdIdempotencyKey(sql, claim));
    if (held.status === "stored") {
      const isSame = held.bodyHash === null || (await bodyHashes()).includes(held.bodyHash);
      if (!isSame) throw toKeyProblem("reused");
      return asOwnResponse<OwnResponse>(held.response);
    }
    if (held.status !== "held") throw toKeyProblem(held.status);

    let isStored = false;
    const storeResponse: StoreResponse = async (tx, response) => {
      const [hash = null] = await bodyHashes();
      await storeFinalResponse(tx, claim, response, hash);
      isStored = true;
    };
    const { checkpoint } = held;
    const lockedKey: LockedKey = {
      storeResponse,
      async storeEarlyResponse(tx, response) {
        if (!(await storeProvisionalResponse(tx, claim, response))) throw toKeyProblem("in-use");
      },
      checkpoint: checkpoint && {
        ...checkpoint,
        isSame: (hash) => toKeyedHashes(hash, secretKeys).includes(checkpoint.bodyHash ?? ""),
      },
      async saveCheckpoint(tx, current) {
        const bodyHash = current?.bodyHash ?? null;
        const keyed = bodyHash === null ? null : (toKeyedHashes(bodyHash, secretKeys)[0] ?? null);
        const isOwn = await saveCheckpoint(tx, claim, current && { ...current, bodyHash: keyed });
        if (!isOwn) throw toKeyProblem("in-use");
      },
    };
    const renewal = setInterval(() => {
      // A failed renewal is repeated long before the key counts as abandoned.
      ledger.run(tenant, (sql) => touchHeldKey(sql, claim)).catch(() => {});
    }, renewEveryMs);
    try {
      const response = await work(lockedKey);
      if (!isStored) await inOneTransaction(tenant, (tx) => storeResponse(tx, response));
      return { ...response, isReplay: false };
    } catch (error) {
      // A key that cannot be released expires as abandoned.
      await ledger.run(tenant, (sql) => releaseHeldKey(sql, claim)).catch(() => {});
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  return { inTransaction, acrossTransactions };
}

const withoutKey: LockedKey = {
  storeResponse: async () => {},
  storeEarlyResponse: async () => {},
  checkpoint: undefined,
  saveCheckpoint: async () => {},
};

async function claimOne(tx: TransactionSql, claim: IdempotencyClaim): Promise<Claimed> {
  let claimed: Claimed | undefined;
  try {
    [claimed] = await claimIdempotencyKeys(tx, [claim]);
  } catch (error) {
    throw isIdempotencyKeyInUse(error) ? toKeyProblem("in-use") : error;
  }
  if (claimed?.status === "claimed" || claimed?.status === "stored") return claimed;
  throw toKeyProblem(claimed?.status ?? "in-use");
}

function toKeyProblem(status: "reused" | "in-use") {
  return new ProblemError(
    status === "reused" ? "idempotency-key-reused" : "idempotency-key-in-use",
  );
}
