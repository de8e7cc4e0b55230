import type { Context } from "hono";
import { JobEventName } from "@toril/contract/api/jobs/event";
import { finalStatuses } from "@toril/contract/api/jobs/job-states";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { AppEnv } from "../http/request-context.ts";
import { getOrigin, requirePermitted } from "../http/caller.ts";
import { ProblemError } from "../http/problem.ts";
import { htmlPage } from "./page.ts";

const request = {
  type: "echo" as const,
  data: { message: "hello from /template", sleepMs: 1500 },
};

/** Enqueues a demo job and returns a page that shows the job's events live. */
export function template(enqueue: Enqueue, secretKeys: KeyRing | undefined) {
  return async (c: Context<AppEnv>) => {
    const context = c.env;
    // Browsers send known Basic credentials with cross-site requests, too (CSRF).
    if (c.req.header("sec-fetch-site") === "cross-site") {
      throw new ProblemError(
        "insufficient-scope",
        "The page enqueues a job, so it cannot be opened from another site.",
      );
    }
    if (context.jobTypes.find(request.type) === undefined) throw new ProblemError("not-found");
    if (c.req.method === "HEAD") return htmlPage({ title, body: "" });
    const created = createNewJob(context.jobTypes, request, getOrigin(context), secretKeys);
    if (created.status === "refused")
      throw new ProblemError(created.kind, created.detail, created.errors);
    const { job } = created;
    requirePermitted(context, job);
    const { quota } = context;
    if (quota !== undefined) await quota.takeJobs(1);
    const outcome = await (quota === undefined
      ? enqueue.one({ job })
      : quota.withReserved(1, () => enqueue.one({ job })));
    if (outcome.status !== "accepted") throw new ProblemError("internal-error");
    context.jobId = job.id;
    const waitingAt = outcome.isDispatched ? new Date().toISOString() : undefined;
    return htmlPage({ title, body: bodyFor(job.id), script: scriptFor(job.id, waitingAt) });
  };
}

const title = "Events of a job · Toril";

function bodyFor(id: string): string {
  return `<h1>Events of a job</h1>
<p>Enqueued: <a href="/v1/jobs/${id}"><code>${id}</code></a></p>
<p>Status: <span id="state" role="status">pending</span></p>
<ol id="event-list" aria-label="Events"></ol>
<p><a href="/template">Enqueue another</a> · <a href="/console/jobs/${id}">Job in the console</a> · <a href="/">Toril</a></p>
<noscript><p>Without JavaScript: reload the job at its URL above.</p></noscript>`;
}

/** @param waitingAt when the job was in Redis; it may be active before the page is shown */
function scriptFor(id: string, waitingAt: string | undefined): string {
  return `
const state = document.getElementById("state");
const list = document.getElementById("event-list");
const events = new EventSource("/v1/jobs/${id}/events");
const waitingAt = ${JSON.stringify(waitingAt ?? null)};
const finalStatuses = ${JSON.stringify(finalStatuses)};
let createdAt;
function show(at, text) {
  createdAt ??= Date.parse(at);
  const time = document.createElement("time");
  time.dateTime = at;
  const milliseconds = String(new Date(at).getMilliseconds()).padStart(3, "0");
  const sinceCreation = Date.parse(at) - createdAt;
  time.textContent = new Date(at).toLocaleTimeString("en-GB") + "." + milliseconds + " +" + sinceCreation + " ms";
  const item = document.createElement("li");
  item.append(time, text);
  list.append(item);
}
function onEvent({ type, data }) {
  const event = JSON.parse(data);
  state.textContent = type;
  const detail = event.job?.result ?? event.error?.message ?? event.progress;
  show(event.at, detail === undefined || detail === null ? type : type + ": " + JSON.stringify(detail));
  if (finalStatuses.includes(type)) events.close();
}
events.addEventListener("snapshot", ({ data }) => {
  const job = JSON.parse(data);
  state.textContent = job.state ?? job.status;
  if (list.childElementCount > 0) return;
  show(job.createdAt, "accepted: committed to Postgres");
  if (waitingAt !== null) show(waitingAt, "waiting: dispatched to Redis");
  if (job.state !== null && (job.state !== "waiting" || waitingAt === null)) show(new Date().toISOString(), job.state);
});
for (const name of ${JSON.stringify(JobEventName.options)}) {
  events.addEventListener(name, onEvent);
}
`;
}
