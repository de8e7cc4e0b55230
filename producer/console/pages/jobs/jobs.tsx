import type { Job, ListJobsQuery } from "@toril/client";
import { client } from "../../app/api.ts";
import { setQuery, to, usePlace } from "../../app/router.ts";
import { useServiceDocument } from "../../app/service-document.ts";
import { useCan } from "../../app/session.tsx";
import { Empty, Loaded, PageHead, Table } from "../../ui/layout.tsx";
import { Pager, usePages } from "../../ui/pager.tsx";
import { Status } from "../../ui/status.tsx";
import { Time } from "../../ui/time.tsx";
import { JobFilters } from "./job-filters.tsx";

const filterNames = [
  "type",
  "queue",
  "status",
  "state",
  "key",
  "label",
  "schedule",
  "importId",
  "createdAfter",
  "createdBefore",
] as const;

/** Searches the jobs; the search is part of the address. */
export function JobsPage() {
  const { query } = usePlace();
  const can = useCan();
  const document = useServiceDocument();
  const filter = toFilter(query);
  const isFiltered = Object.keys(filter).length > 0;
  const jobs = usePages(
    JSON.stringify(filter),
    (cursor, signal) => findJobs({ ...filter, omit: "payload", ...(cursor && { cursor }) }, signal),
    3000,
  );
  return (
    <>
      <PageHead title="Jobs">
        {can("jobs:enqueue") && (
          <a class="button primary" href={to("/jobs/new", { type: query.get("type") ?? "" })}>
            Enqueue a job
          </a>
        )}
      </PageHead>
      <JobFilters query={query} document={document.data} />
      <Loaded query={jobs}>
        {({ items, next }) =>
          items.length > 0 ? (
            <JobTable jobs={items} />
          ) : next !== null ? (
            <Empty title="No match so far, and older jobs to search: go to the next page." />
          ) : isFiltered ? (
            <Empty title="No job matches this search.">
              <button class="button" type="button" onClick={() => clearFilter(query)}>
                Clear the search
              </button>
            </Empty>
          ) : (
            <Empty title="No jobs yet.">
              {can("jobs:enqueue") && (
                <a class="button" href={to("/jobs/new")}>
                  Enqueue the first job
                </a>
              )}
            </Empty>
          )
        }
      </Loaded>
      <Pager query={jobs} />
    </>
  );
}

/** A page may be empty although older jobs match: reads some more before the person has to continue. */
async function findJobs(query: ListJobsQuery, signal: AbortSignal) {
  let page = await client.listJobs(query, { signal });
  for (let more = 0; more < 4 && page.items.length === 0 && page.next !== null; more += 1) {
    page = await client.listJobs({ ...query, cursor: page.next }, { signal });
  }
  return page;
}

function JobTable({ jobs }: { jobs: readonly Job[] }) {
  return (
    <Table
      label="Jobs"
      head={["Status", "Type", "Job", "Queue", "Key", "Attempts", "Created", "Settled"]}
    >
      {jobs.map((job) => (
        <tr key={job.id}>
          <td>
            <Status value={job.state ?? job.status} />
          </td>
          <td class="mono">{job.type}</td>
          <td>
            <a class="mono" href={to(`/jobs/${job.id}`)}>
              {job.id}
            </a>
          </td>
          <td>{job.queue}</td>
          <td class="mono cut" title={job.key ?? undefined}>
            {job.key ?? <span class="muted">–</span>}
          </td>
          <td class="number">
            {job.attempts.made}
            <span class="muted"> / {job.attempts.max}</span>
          </td>
          <td>
            <Time at={job.createdAt} />
          </td>
          <td>
            <Time at={job.settledAt} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function toFilter(query: URLSearchParams): ListJobsQuery {
  const names = [...filterNames, ...[...query.keys()].filter((name) => name.startsWith("data."))];
  const entries = names.map((name) => [name, query.get(name) ?? ""] as const);
  // Safe cast: the service validates the values, and the page shows its message.
  return Object.fromEntries(entries.filter(([, value]) => value !== "")) as ListJobsQuery;
}

function clearFilter(query: URLSearchParams) {
  setQuery(Object.fromEntries([...query.keys()].map((name) => [name, undefined])));
}
