import { BulkResult } from "@toril/contract/api/http/jobs/bulk";
import { AcceptedJob } from "@toril/contract/api/jobs/accepted-job";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import type { echo as echoType } from "@toril/contract/api/job-types/echo";
import { Problem } from "@toril/contract/api/problem";

export type PostResult =
  | { status: 200 | 201 | 202; job: AcceptedJob; isReplayed: boolean }
  | { status: number; problem: Problem; isReplayed: boolean };

export interface PostOptions {
  idempotencyKey?: string;
  traceparent?: string;
  signal?: AbortSignal;
}

/** Posts a job. Throws without a response, or if the response violates the contract. */
export async function postJob(
  url: string,
  request: JobRequest,
  { idempotencyKey, traceparent, signal }: PostOptions = {},
): Promise<PostResult> {
  const response = await fetch(`${url}/v1/jobs`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
      ...(traceparent === undefined ? {} : { traceparent }),
    },
    body: JSON.stringify(request),
    ...(signal === undefined ? {} : { signal }),
  });
  const { status, headers } = response;
  const isReplayed = headers.get("Idempotency-Replayed") === "true";
  if (!response.ok) return { status, problem: await readProblem(response), isReplayed };
  if (status !== 200 && status !== 201 && status !== 202) throw new Error(`answered ${status}`);
  const job = AcceptedJob.parse(await response.json());
  if (headers.get("Location") !== `/v1/jobs/${job.id}`) throw new Error("no Location of the job");
  return { status, job, isReplayed };
}

async function readProblem(response: Response): Promise<Problem> {
  const type = response.headers.get("Content-Type");
  if (type !== "application/problem+json") throw new Error(`${response.status} as ${type}`);
  const problem = Problem.parse(await response.json());
  if (problem.status !== response.status) throw new Error("two statuses in one answer");
  return problem;
}

/** Returns the id of an accepted job; throws if it was refused. */
export function getJobId(answer: PostResult): string {
  if ("job" in answer) return answer.job.id;
  throw new Error(`${answer.status} ${answer.problem.title} ${answer.problem.detail ?? ""}`);
}

/** Posts no-op jobs in one atomic bulk request. */
export async function postMany(url: string, count: number, delayMs = 0): Promise<BulkResult> {
  const jobs = Array.from({ length: count }, (_, index) => ({ ...echo(`job ${index}`), delayMs }));
  const response = await fetch(`${url}/v1/jobs/bulk`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(jobs),
  });
  if (!response.ok) throw new Error(JSON.stringify(await readProblem(response)));
  return BulkResult.parse(await response.json());
}

export function echo(
  message: string,
  data: { sleepMs?: number; failures?: number } = {},
): JobRequest<[typeof echoType]> {
  return { type: "echo", data: { message, ...data } };
}
