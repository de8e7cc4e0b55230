import type { Feed } from "@toril/client";
import { client } from "../app/api.ts";
import { navigate, to } from "../app/router.ts";
import { IfCan, useCan } from "../app/session.tsx";
import { Action } from "../ui/action.tsx";
import { Empty, Loaded, PageHead, Table } from "../ui/layout.tsx";
import { formatCount } from "../ui/numbers.ts";
import { Pager, usePages } from "../ui/pager.tsx";
import { Status } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

/** The feeds that were fetched, with their state. */
export function FeedsPage() {
  const feeds = usePages(
    "feeds",
    (cursor, signal) => client.listFeeds({ cursor }, { signal }),
    5000,
  );
  const head = [
    "State",
    "Feed",
    "Response",
    "New",
    "Changed",
    "Failures",
    "Last fetch",
    "Next fetch",
    "",
  ];
  return (
    <>
      <PageHead
        title="Feeds"
        detail="RSS, Atom, RDF and JSON feeds that jobs of the type feed.fetch read"
      />
      <Loaded query={feeds}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No feeds: enqueue a job of the type feed.fetch, or create a schedule for it.">
              <IfCan scope="jobs:enqueue">
                <a class="button" href={to("/jobs/new", { type: "feed.fetch" })}>
                  Fetch a feed
                </a>
              </IfCan>
            </Empty>
          ) : (
            <Table label="Feeds" head={head}>
              {items.map((feed) => (
                <FeedRow key={`${feed.source} ${feed.url}`} feed={feed} />
              ))}
            </Table>
          )
        }
      </Loaded>
      <Pager query={feeds} />
    </>
  );
}

function FeedRow({ feed }: { feed: Feed }) {
  const can = useCan();
  const { source, url, movedTo, lastFetch, failures, endedAt, notBefore, nextFetchAt } = feed;
  const state = endedAt !== null ? "ended" : failures > 0 ? "failing" : "active";
  const isPostponed =
    notBefore !== null && (nextFetchAt === null || Date.parse(notBefore) > Date.parse(nextFetchAt));
  return (
    <tr>
      <td>
        <Status value={state} />
      </td>
      <td class="wrap">
        <span class="mono">{url}</span>
        {source !== url && <span class="muted"> as {source}</span>}
        {movedTo !== null && <span class="muted"> moved to {movedTo}</span>}
      </td>
      <td class="wrap">{lastFetch?.error ?? lastFetch?.status ?? "–"}</td>
      <td class="number">{formatCount(lastFetch?.new ?? 0)}</td>
      <td class="number">{formatCount(lastFetch?.changed ?? 0)}</td>
      <td class="number">{formatCount(failures)}</td>
      <td>
        <Time at={lastFetch?.endedAt} />
      </td>
      <td>
        {endedAt !== null ? (
          <span class="muted">the server answered 410</span>
        ) : isPostponed ? (
          <>
            not before <Time at={notBefore} />
          </>
        ) : (
          <Time at={nextFetchAt} />
        )}
      </td>
      <td class="actions">
        {can("jobs:enqueue") && (
          <Action
            kind="small"
            label={`Fetch now: ${url}`}
            run={async () => {
              const job = await client.fetchFeed({ url, ...(source !== url && { source }) });
              navigate(to(`/jobs/${job.id}`));
              return "The feed is fetched now.";
            }}
          >
            Fetch now
          </Action>
        )}
      </td>
    </tr>
  );
}
