import { useState } from "preact/hooks";
import type { Import } from "@toril/client";
import { client, describeError } from "../../app/api.ts";
import type { PageProps } from "../../app/page-props.ts";
import { to } from "../../app/router.ts";
import { useCan } from "../../app/session.tsx";
import { useStream } from "../../app/use-stream.ts";
import { useQuery } from "../../app/use-query.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Card, Empty, Loaded, PageHead } from "../../ui/layout.tsx";
import { formatCount, formatRate } from "../../ui/numbers.ts";
import { Status } from "../../ui/status.tsx";
import { formatDuration } from "../../ui/durations.ts";
import { Time } from "../../ui/time.tsx";
import { RejectedRows } from "./rejected-rows.tsx";
import { ResumeUpload } from "./resume-upload.tsx";
import { UploadProgress } from "./upload-progress.tsx";
import { pauseUpload, useUpload } from "./upload.ts";

/** One import, live: its counts and its rejected rows. */
export function ImportPage({ id }: PageProps) {
  const query = useQuery(`import ${id}`, (signal) => client.getImport(id, { signal }));
  const can = useCan();
  const [live, setLive] = useState<Import>();
  const [isCancelling, setCancelling] = useState(false);
  const [error, setError] = useState<string>();
  const upload = useUpload(id);
  const current = live ?? query.data;
  useStream(id, async (signal) => {
    try {
      for await (const { data } of client.followImport(id, { signal })) setLive(data);
    } catch (failure) {
      if (!signal.aborted) setError(describeError(failure));
    }
  });
  return (
    <>
      <PageHead
        title="Import"
        subject={id}
        detail={
          <>
            <a href={to("/imports")}>Imports</a> / <span class="mono">{id}</span>
          </>
        }
      >
        {can("jobs:change") &&
          (current?.status === "receiving" || current?.status === "running") && (
            <button class="button danger" type="button" onClick={() => setCancelling(true)}>
              Cancel import
            </button>
          )}
        <a class="button" href={to("/jobs", { importId: id })}>
          Jobs of the import
        </a>
      </PageHead>
      {isCancelling && (
        <Confirm
          title="Cancel the import"
          action="Cancel import and jobs"
          run={async () => {
            pauseUpload(id);
            await client.cancelImport(id);
            return "The import is cancelled.";
          }}
          onClose={() => setCancelling(false)}
          onDone={query.reload}
        >
          No further rows are accepted, and the pending jobs of the import are cancelled. This
          cannot be undone.
        </Confirm>
      )}
      {error !== undefined && query.data !== undefined && (
        <p class="notice" data-tone="warn">
          Not live: {error}
        </p>
      )}
      {upload !== undefined && upload.status !== "sent" && current?.status === "receiving" && (
        <UploadProgress id={id} upload={upload} />
      )}
      <Loaded query={query}>
        {(found) => (
          <div class="stack">
            {upload === undefined &&
              current?.status === "receiving" &&
              current.parts !== null &&
              can("jobs:enqueue") && <ResumeUpload found={current} />}
            <ImportDetails found={live ?? found} />
          </div>
        )}
      </Loaded>
    </>
  );
}

function ImportDetails({ found }: { found: Import }) {
  const { status, type, counts, createdAt, dryRun, jobsPerSecond, secondsLeft, then } = found;
  const ended = counts.completed + counts.dead + counts.cancelled + counts.expired;
  return (
    <>
      <Card title={dryRun ? "Dry run" : "Progress"} actions={<Status value={status} />}>
        {!dryRun && (
          <p class="progress">
            <progress max={Math.max(counts.accepted, 1)} value={ended} aria-label="Settled rows" />{" "}
            {formatCount(ended)} of {formatCount(counts.accepted)} settled
            {jobsPerSecond !== null && `, ${formatRate(jobsPerSecond)} per second`}
            {secondsLeft !== null && `, about ${formatDuration(secondsLeft * 1000)} left`}
          </p>
        )}
        <dl class="numbers inline">
          {(["read", "accepted", "duplicate", "rejected", "completed", "dead"] as const).map(
            (name) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  <strong>{formatCount(counts[name])}</strong>
                </dd>
              </div>
            ),
          )}
        </dl>
        <p class="muted">
          <span class="mono">{type}</span>, started <Time at={createdAt} />
          {then !== null && (
            <>
              , then <a href={to(`/jobs/${then}`)}>another job</a>
            </>
          )}
        </p>
      </Card>
      {counts.rejected === 0 ? (
        <Empty title="No row was rejected." />
      ) : (
        <RejectedRows found={found} />
      )}
    </>
  );
}
