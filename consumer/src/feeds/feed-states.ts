import type { FeedColumns } from "@toril/contract/engine/postgres/tables";
import { toStorableText } from "@toril/contract/api/json/json";
import { isLockTimeout, isTransient } from "@toril/contract/engine/postgres/errors";
import type { RetryingLedger } from "../stores/retrying-ledger.ts";
import type { PendingQuery } from "postgres";
import type { Known } from "../safe-fetch/safe-fetch.ts";

/** A fetch in progress. */
export interface FeedFetch {
  jobId: string;
  source: string;
  url: string;
  /** Number of the fetch; detects whether another fetch of the same feed has begun since. */
  turn: number;
  /** Consecutive failures before this fetch. */
  failures: number;
  known: Known | undefined;
  /** URL that earlier permanent redirects lead to. */
  movedTo: string | null;
  /** When the server answered 410 Gone. */
  endedAt: Date | null;
  /** The server asked not to fetch the feed before this time. */
  notBefore: Date | null;
}

export interface FeedOutcome {
  code: number | undefined;
  /** Undefined on success. */
  error?: string;
  /** Validators for the next conditional request; undefined unless every item was stored or enqueued. */
  known: Known | undefined;
  /** New and changed items; undefined on failure. */
  counts?: { new: number; changed: number };
  /** Undefined: later fetches start at the feed's own URL. */
  movedTo?: string | undefined;
  isGone?: boolean;
  notBefore?: Date | null;
}

/** State of each feed (validators, last status, failures), per tenant of the fetching job. */
export interface FeedStates {
  begin(jobId: string, source: string, url: string): Promise<FeedFetch>;
  end(fetch: FeedFetch, outcome: FeedOutcome): Promise<void>;
}

type Row = Pick<
  FeedColumns,
  | "fetches"
  | "failures"
  | "finalUrl"
  | "etag"
  | "lastModified"
  | "movedTo"
  | "endedAt"
  | "notBefore"
>;

const maxErrorLength = 1000;

export function createFeedStates(ledger: RetryingLedger): FeedStates {
  const isFinal = (error: unknown) => !isTransient(error) && !isLockTimeout(error);

  return {
    async begin(jobId, source, url) {
      const [row] = await ledger.retryUntilAvailable(
        (sql) => sql<Row[]>`
          insert into feeds (tenant, source, url, fetches)
          select tenant, ${source}, ${url}, 1 from jobs where id = ${jobId}::uuid
          on conflict (tenant, source, md5(url)) do update set fetches = feeds.fetches + 1
          returning fetches, failures, final_url as "finalUrl", etag,
            last_modified as "lastModified", moved_to as "movedTo", ended_at as "endedAt",
            not_before as "notBefore"`,
        isFinal,
      );
      if (row === undefined) throw new Error("the job is not in the ledger any more");
      const { fetches: turn, failures, finalUrl, etag, lastModified, ...rest } = row;
      const known = finalUrl === null ? undefined : { url: finalUrl, etag, lastModified };
      return { jobId, source, url, turn, failures, known, ...rest };
    },

    /**
     * When fetches overlap, one may enqueue items that the other has replaced. Then neither stores validators, so the
     * next fetch reads the whole feed again: the overtaken fetch increments `fetches` to signal the other one. A fetch
     * that ends after a later one has ended does not overwrite the outcome.
     */
    async end({ jobId, source, url, turn }, outcome) {
      const { code = null, error, known, counts, movedTo, isGone = false, notBefore } = outcome;
      const lastError = error === undefined ? null : toStorableText(error.slice(0, maxErrorLength));
      await ledger.retryUntilAvailable((sql) => {
        const unlessOvertaken = (column: string, value: PendingQuery<Row[]>) =>
          sql`${sql(column)} = case when ended_fetch < ${turn} then ${value} else ${sql(column)} end`;
        return sql`
          update feeds set
            final_url = case when fetches = ${turn} then ${known?.url ?? null}::text end,
            etag = case when fetches = ${turn} then ${known?.etag ?? null}::text end,
            last_modified = case when fetches = ${turn} then ${known?.lastModified ?? null}::text end,
            fetches = case when fetches = ${turn} then fetches else fetches + 1 end,
            ended_fetch = greatest(ended_fetch, ${turn}),
            ${unlessOvertaken("new_items", sql`${counts?.new ?? null}::int`)},
            ${unlessOvertaken("changed_items", sql`${counts?.changed ?? null}::int`)},
            ${unlessOvertaken("moved_to", sql`${movedTo === undefined ? null : toStorableText(movedTo)}::text`)},
            ${unlessOvertaken("ended_at", sql`case when ${isGone} then now() end`)},
            not_before = case
              when ended_fetch >= ${turn} then case when last_error is not null then not_before end
              when fetches = ${turn} or ${lastError}::text is not null then ${notBefore ?? null}::timestamptz
            end,
            ${unlessOvertaken("status", sql`${code}::smallint`)},
            ${unlessOvertaken("last_error", sql`${lastError}::text`)},
            ${unlessOvertaken("fetched_at", sql`now()`)},
            ${unlessOvertaken("failures", sql`case when ${lastError}::text is null then 0 else failures + 1 end`)}
          where tenant = (select tenant from jobs where id = ${jobId}::uuid)
            and source = ${source} and md5(url) = md5(${url})`;
      }, isFinal);
    },
  };
}
