import { useState } from "preact/hooks";
import type { JobDetail } from "@toril/client";
import { client } from "../../app/api.ts";
import { useCan } from "../../app/session.tsx";
import { Action } from "../../ui/action.tsx";
import { Code, Copy } from "../../ui/code.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Text } from "../../ui/fields.tsx";

/** The actions that the status of the job and the caller's key permit. */
export function JobActions({ job, onChange }: { job: JobDetail; onChange(): void }) {
  const can = useCan();
  const [open, setOpen] = useState<"code" | "reschedule">();
  const isWaiting = job.status === "pending" && job.state !== "active";
  const close = () => setOpen(undefined);
  return (
    <>
      <button class="button" type="button" onClick={() => setOpen("code")}>
        Copy as code
      </button>
      {can("jobs:change") && (
        <>
          {job.state === "delayed" && (
            <Action
              run={async () => {
                await client.promoteJob(job.id);
                return "The job is due now.";
              }}
              onDone={onChange}
            >
              Promote
            </Action>
          )}
          {isWaiting && (
            <button class="button" type="button" onClick={() => setOpen("reschedule")}>
              Reschedule
            </button>
          )}
          {job.status === "pending" && (
            <Action
              kind="danger"
              run={async () => {
                await client.cancelJob(job.id);
                return "The job is cancelled.";
              }}
              onDone={onChange}
            >
              Cancel job
            </Action>
          )}
          {job.status !== "pending" && (
            <Action
              kind="primary"
              run={async () => {
                await client.retryJob(job.id);
                return "The job is pending again.";
              }}
              onDone={onChange}
            >
              Retry
            </Action>
          )}
        </>
      )}
      {open === "code" && <JobCode job={job} onClose={close} />}
      {open === "reschedule" && (
        <Reschedule
          job={job}
          onClose={close}
          onDone={() => {
            close();
            onChange();
          }}
        />
      )}
    </>
  );
}

interface RescheduleProps {
  job: JobDetail;
  onClose(): void;
  onDone(): void;
}

function Reschedule({ job, onClose, onDone }: RescheduleProps) {
  const [minutes, setMinutes] = useState("10");
  const [priority, setPriority] = useState(String(job.priority ?? ""));
  return (
    <Dialog title="Reschedule the job" onClose={onClose}>
      <Text
        type="number"
        label="Start in (minutes)"
        hint="0: as soon as possible"
        value={minutes}
        onChange={setMinutes}
      />
      <Text
        type="number"
        label="Priority"
        hint="1 is the highest; empty: none"
        value={priority}
        onChange={setPriority}
      />
      <div class="dialog-actions">
        <Action
          kind="primary"
          run={async () => {
            await client.changeJob(job.id, "*", {
              delayMs: Math.round(Number(minutes) * 60_000),
              priority: priority === "" ? null : Number(priority),
            });
            return "The job is rescheduled.";
          }}
          onDone={onDone}
        >
          Reschedule
        </Action>
      </div>
    </Dialog>
  );
}

/** Returns the request that enqueues the same job. */
function toRequest(job: JobDetail) {
  const isAhead = (time: string | null) => time !== null && Date.parse(time) > Date.now();
  return {
    type: job.type,
    data: job.data,
    ...(job.key !== null && { key: job.key }),
    ...(isAhead(job.runAt) && { runAt: job.runAt }),
    ...(job.priority !== null && { priority: job.priority }),
    ...(job.order === "lifo" && { order: job.order }),
    attempts: job.attempts.max,
    backoff: job.backoff,
    ...(job.timeoutMs !== null && { timeoutMs: job.timeoutMs }),
    ...(isAhead(job.expiresAt) && { expiresAt: job.expiresAt }),
    ...(job.labels.length > 0 && { labels: job.labels }),
    ...(job.callbackUrl !== null && { callbackUrl: job.callbackUrl }),
  };
}

/** How to enqueue the same job from a program. */
function JobCode({ job, onClose }: { job: JobDetail; onClose(): void }) {
  const request = toRequest(job);
  const curl = toCurl(request);
  const typescript = [
    `import { createClient } from "@toril/client";`,
    "",
    `const client = createClient({ baseUrl: "${location.origin}", apiKey: process.env.TORIL_KEY });`,
    `const job = await client.createJob(${JSON.stringify(request, undefined, 2)});`,
  ].join("\n");
  return (
    <Dialog title="Enqueue the same job from a program" onClose={onClose}>
      {curl.includes("[secret]") && (
        <p class="hint">Secrets are masked: replace each “[secret]”.</p>
      )}
      {job.key !== null && job.status === "pending" && (
        <p class="hint">While this job is pending, a request with its key returns this job.</p>
      )}
      <CodeExample title="curl" text={curl} />
      <CodeExample title="TypeScript" text={typescript} />
    </Dialog>
  );
}

function CodeExample({ title, text }: { title: string; text: string }) {
  return (
    <section>
      <header class="card-head">
        <h3>{title}</h3>
        <Copy text={text}>Copy</Copy>
      </header>
      <Code label={title} text={text} />
    </section>
  );
}

/** Returns a command for a POSIX shell that enqueues a job. */
export function toCurl(request: object, needsKey = true): string {
  const body = JSON.stringify(request).replaceAll("'", String.raw`'\''`);
  return [
    `curl ${location.origin}/v1/jobs`,
    ...(needsKey ? [`-H "Authorization: Bearer $TORIL_KEY"`] : []),
    `-H 'Content-Type: application/json'`,
    `-d '${body}'`,
  ].join(" \\\n  ");
}
