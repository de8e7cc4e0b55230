import { type JobDetail, TorilError } from "@toril/client";
import { client } from "../../app/api.ts";
import type { PageProps } from "../../app/page-props.ts";
import { to } from "../../app/router.ts";
import { useStream } from "../../app/use-stream.ts";
import { useQuery } from "../../app/use-query.ts";
import { Code, Json } from "../../ui/code.tsx";
import { formatInterval } from "../../ui/durations.ts";
import { Card, Loaded, PageHead } from "../../ui/layout.tsx";
import { Status } from "../../ui/status.tsx";
import { formatTime, Time } from "../../ui/time.tsx";
import { JobActions } from "./job-actions.tsx";
import { JobChildren } from "./job-children.tsx";
import { JobTimeline } from "./job-timeline.tsx";

/** One job, live: its timeline, progress, log, data and result. */
export function JobPage({ id }: PageProps) {
  const job = useQuery(`job ${id}`, (signal) => client.getJob(id, { signal }), {
    // Position and estimate change without an event.
    refreshMs: 5000,
  });
  useLiveReload(id, job.data?.status === "pending", job.reload);
  return (
    <>
      <PageHead
        title="Job"
        subject={id}
        detail={
          <>
            <a href={to("/jobs")}>Jobs</a> / <span class="mono">{id}</span>
          </>
        }
      >
        {job.data !== undefined && <JobActions job={job.data} onChange={job.reload} />}
      </PageHead>
      <Loaded query={job}>{(found) => <JobDetails job={found} />}</Loaded>
    </>
  );
}

/** Reloads after every event of a pending job: the stream reconnects by itself. */
function useLiveReload(id: string, isPending: boolean, reload: () => void) {
  useStream(isPending ? id : undefined, async (signal) => {
    try {
      for await (const _ of client.followJob(id, { signal })) reload();
      reload();
    } catch (error) {
      if (!signal.aborted && error instanceof TorilError) reload();
    }
  });
}

function JobDetails({ job }: { job: JobDetail }) {
  const error = job.error ?? job.failures.at(-1);
  return (
    <div class="columns">
      <div class="column">
        <Card title="Timeline">
          <JobTimeline job={job} />
        </Card>
        {job.progress !== null && job.progress !== undefined && (
          <Card title="Progress">
            <JobProgress progress={job.progress} />
          </Card>
        )}
        {error !== null && error !== undefined && (
          <Card title={job.status === "pending" ? "Error of the last attempt" : "Error"}>
            <p class="error-text">
              <strong>{error.name}</strong>: {error.message}
            </p>
            {error.stack !== undefined && <Code label="Stack" text={error.stack} />}
          </Card>
        )}
        {job.log.length > 0 && (
          <Card title="Log">
            <ol class="log" aria-label="Log lines">
              {job.log.map(({ at, level, message }, index) => (
                <li key={index} data-level={level}>
                  <time dateTime={at}>{formatTime(at).slice(11)}</time> {message}
                </li>
              ))}
            </ol>
          </Card>
        )}
        {job.children !== null && <JobChildren id={job.id} counts={job.children} />}
        <Card title="Data">
          <Json label="Data" value={job.data} />
        </Card>
        {job.status === "completed" && (
          <Card title="Result">
            <Json label="Result" value={job.result} />
          </Card>
        )}
      </div>
      <Card title="Details">
        <Facts job={job} />
      </Card>
    </div>
  );
}

function Facts({ job }: { job: JobDetail }) {
  return (
    <dl class="facts">
      <dt>Status</dt>
      <dd>
        <Status value={job.state ?? job.status} />
      </dd>
      <dt>Type</dt>
      <dd>
        <a class="mono" href={to("/jobs", { type: job.type })}>
          {job.type}
        </a>
      </dd>
      <dt>Queue</dt>
      <dd>
        <a href={to("/jobs", { queue: job.queue })}>{job.queue}</a>
      </dd>
      {job.key !== null && (
        <>
          <dt>Key</dt>
          <dd>
            <a class="mono" href={to("/jobs", { key: job.key, type: job.type })}>
              {job.key}
            </a>
          </dd>
        </>
      )}
      <dt>Attempts</dt>
      <dd>
        {job.attempts.made} of {job.attempts.max}
      </dd>
      <dt>Created</dt>
      <dd>
        <Time at={job.createdAt} />
      </dd>
      {job.runAt !== null && (
        <>
          <dt>Due</dt>
          <dd>
            <Time at={job.runAt} />
          </dd>
        </>
      )}
      {job.position !== null && (
        <>
          <dt>Position</dt>
          <dd>{job.position}</dd>
        </>
      )}
      {job.status === "pending" && job.estimatedStartAt !== null && (
        <>
          <dt>Estimated start</dt>
          <dd>
            <Time at={job.estimatedStartAt} />
          </dd>
        </>
      )}
      {job.priority !== null && (
        <>
          <dt>Priority</dt>
          <dd>{job.priority}</dd>
        </>
      )}
      {job.order === "lifo" && (
        <>
          <dt>Order</dt>
          <dd>before all waiting jobs</dd>
        </>
      )}
      <dt>Backoff</dt>
      <dd>{describeBackoff(job.backoff)}</dd>
      {job.timeoutMs !== null && (
        <>
          <dt>Timeout of an attempt</dt>
          <dd>{formatInterval(job.timeoutMs)}</dd>
        </>
      )}
      {job.expiresAt !== null && (
        <>
          <dt>Expires</dt>
          <dd>
            <Time at={job.expiresAt} />
          </dd>
        </>
      )}
      {job.labels.length > 0 && (
        <>
          <dt>Labels</dt>
          <dd>
            {job.labels.map((label) => (
              <a key={label} class="tag" href={to("/jobs", { label })}>
                {label}
              </a>
            ))}
          </dd>
        </>
      )}
      {job.parent !== null && (
        <>
          <dt>Parent</dt>
          <dd>
            <a class="mono" href={to(`/jobs/${job.parent.id}`)}>
              {job.parent.id}
            </a>
            <small class="hint">if this job fails: {job.parent.onFailure}</small>
          </dd>
        </>
      )}
      {job.schedule !== null && (
        <>
          <dt>Schedule</dt>
          <dd>
            <a href={to("/jobs", { schedule: job.schedule })}>{job.schedule}</a>
          </dd>
        </>
      )}
      {job.importId !== null && (
        <>
          <dt>Import</dt>
          <dd>
            <a class="mono" href={to(`/imports/${job.importId}`)}>
              {job.importId}
            </a>
          </dd>
        </>
      )}
    </dl>
  );
}

function describeBackoff({ type, delay, max }: JobDetail["backoff"]): string {
  const limit = max === undefined ? "" : `, at most ${formatInterval(max)}`;
  return `${type}, ${delay === 0 ? "0 s" : formatInterval(delay)}${limit}`;
}

function JobProgress({ progress }: { progress: unknown }) {
  const percent = typeof progress === "number" ? Math.min(Math.max(progress, 0), 100) : undefined;
  if (percent === undefined) return <Json label="Progress" value={progress} />;
  return (
    <p class="progress">
      <progress max={100} value={percent} aria-label="Progress" /> {percent}%
    </p>
  );
}
