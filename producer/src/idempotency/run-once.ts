import { randomUUID } from "node:crypto";
import type { ISql, TransactionSql } from "postgres";
import { isIdempotencyKeyInUse } from "@toril/contract/engine/postgres/errors";
import {
  answerHeldKey,
  answerProvisionally,
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
  type StoredAnswer,
  storeAnswers,
} from "@toril/contract/engine/postgres/idempotency";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { RequestContext } from "../http/request-context.ts";
import { idempotencyClaim, keyedHashes } from "./idempotency.ts";
import type { TenantLedger } from "../stores/postgres.ts";
import { ProblemError } from "../http/problem.ts";

export type Answered<Answer extends StoredAnswer> = Answer & { isReplay: boolean };

/** Stores the response in the given transaction. */
export type StoreResponse = (tx: TransactionSql, answer: StoredAnswer) => Promise<void>;

/** An Idempotency-Key held while its request runs in several transactions. */
export interface Holding {
  keep: StoreResponse;
  /**
   * Stores a provisional response in the transaction that does the work, because the final response is known only
   * afterwards. A repeated request gets the provisional one if this process dies in between. Throws a problem if
   * another request has taken over.
   */
  keepProvisionally(tx: ISql, answer: StoredAnswer): Promise<void>;
  /**
   * Progress of an interrupted request with this key; `isSame` compares a hash of the body's prefix with the stored
   * one.
   */
  begun: (Checkpoint & { isSame(bodyHash: string): boolean }) | undefined;
  /**
   * Saves the progress of this request, or without a checkpoint only that the request is alive. Throws a problem if
   * another request has taken over, so that the transaction rolls back.
   */
  save(tx: ISql, checkpoint?: Checkpoint): Promise<void>;
}

/**
 * Runs a request with an Idempotency-Key once; later requests get the stored response. Work that throws releases the
 * key. `readJson` must have read the body before, unless there is none.
 */
export interface Idempotency {
  /** Work and response share one transaction. A concurrent request with the same key waits up to the lock timeout. */
  inTransaction<Answer extends StoredAnswer>(
    exchange: RequestContext,
    work: (tx: TransactionSql) => Promise<Answer>,
  ): Promise<Answered<Answer>>;
  /**
   * For other work: a concurrent request with the same key is refused. If this process dies, the next request gets the
   * stored response, resumes from the checkpoint, or repeats the work, which must be harmless.
   * @param work may store its response in its last transaction
   * @param bodyHash reads a body too large to be read before, unless the work has read it
   */
  holding<Answer extends StoredAnswer>(
    exchange: RequestContext,
    work: (holding: Holding) => Promise<Answer>,
    bodyHash?: () => Promise<string>,
  ): Promise<Answered<Answer>>;
}

/** Well below the age at which a claim counts as abandoned. */
const touchEveryMs = 20_000;

/** Safe cast: the fingerprint includes method and target, so the same route stored the response. */
function asOwnAnswer<Answer extends StoredAnswer>(answer: StoredAnswer): Answered<Answer> {
  return { ...(answer as Answer), isReplay: true };
}

export function createIdempotency(
  ledger: TenantLedger,
  secretKeys: KeyRing | undefined,
): Idempotency {
  const inOne = <Result>(tenant: string, work: (tx: TransactionSql) => Promise<Result>) =>
    ledger.run(tenant, (sql) => sql.begin(work) as Promise<Result>);

  async function inTransaction<Answer extends StoredAnswer>(
    exchange: RequestContext,
    work: (tx: TransactionSql) => Promise<Answer>,
  ): Promise<Answered<Answer>> {
    const claim = idempotencyClaim(exchange, secretKeys);
    return inOne(exchange.principal.tenant, async (tx) => {
      const claimed = claim && (await claimOne(tx, claim));
      if (claimed?.status === "answered") return asOwnAnswer<Answer>(claimed.answer);
      const answer = await work(tx);
      if (claim) await storeAnswers(tx, [{ ...claim, answer }]);
      return { ...answer, isReplay: false };
    });
  }

  async function holding<Answer extends StoredAnswer>(
    exchange: RequestContext,
    work: (holding: Holding) => Promise<Answer>,
    bodyHash?: () => Promise<string>,
  ): Promise<Answered<Answer>> {
    const { tenant } = exchange.principal;
    const claimed = idempotencyClaim(exchange, secretKeys);
    if (claimed === undefined) return { ...(await work(unheld)), isReplay: false };
    const bodyHashes = async (): Promise<readonly string[]> =>
      bodyHash === undefined ? [] : keyedHashes(await bodyHash(), secretKeys);
    const claim = { ...claimed, owner: randomUUID() };
    const held = await ledger.run(tenant, (sql) => holdIdempotencyKey(sql, claim));
    if (held.status === "answered") {
      const isSame = held.bodyHash === null || (await bodyHashes()).includes(held.bodyHash);
      if (!isSame) throw refusal("reused");
      return asOwnAnswer<Answer>(held.answer);
    }
    if (held.status !== "held") throw refusal(held.status);

    let isKept = false;
    const keep: StoreResponse = async (tx, answer) => {
      const [hash = null] = await bodyHashes();
      await answerHeldKey(tx, claim, answer, hash);
      isKept = true;
    };
    const { checkpoint } = held;
    const holding: Holding = {
      keep,
      async keepProvisionally(tx, answer) {
        if (!(await answerProvisionally(tx, claim, answer))) throw refusal("in-use");
      },
      begun: checkpoint && {
        ...checkpoint,
        isSame: (hash) => keyedHashes(hash, secretKeys).includes(checkpoint.bodyHash ?? ""),
      },
      async save(tx, reached) {
        const bodyHash = reached?.bodyHash ?? null;
        const keyed = bodyHash === null ? null : (keyedHashes(bodyHash, secretKeys)[0] ?? null);
        const isOwn = await saveCheckpoint(tx, claim, reached && { ...reached, bodyHash: keyed });
        if (!isOwn) throw refusal("in-use");
      },
    };
    const toucher = setInterval(() => {
      ledger.run(tenant, (sql) => touchHeldKey(sql, claim)).catch(() => {});
    }, touchEveryMs);
    try {
      const answer = await work(holding);
      if (!isKept) await inOne(tenant, (tx) => keep(tx, answer));
      return { ...answer, isReplay: false };
    } catch (error) {
      // A key that cannot be released expires as abandoned.
      await ledger.run(tenant, (sql) => releaseHeldKey(sql, claim)).catch(() => {});
      throw error;
    } finally {
      clearInterval(toucher);
    }
  }

  return { inTransaction, holding };
}

const unheld: Holding = {
  keep: async () => {},
  keepProvisionally: async () => {},
  begun: undefined,
  save: async () => {},
};

async function claimOne(tx: TransactionSql, claim: IdempotencyClaim): Promise<Claimed> {
  let claimed: Claimed | undefined;
  try {
    [claimed] = await claimIdempotencyKeys(tx, [claim]);
  } catch (error) {
    throw isIdempotencyKeyInUse(error) ? refusal("in-use") : error;
  }
  if (claimed?.status === "claimed" || claimed?.status === "answered") return claimed;
  throw refusal(claimed?.status ?? "in-use");
}

function refusal(status: "reused" | "in-use") {
  return new ProblemError(
    status === "reused" ? "idempotency-key-reused" : "idempotency-key-in-use",
  );
}
