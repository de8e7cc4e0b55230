import { readFile } from "node:fs/promises";

import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { insertNewJobs } from "@toril/contract/engine/jobs/insert/insert-jobs";
import { createDispatch, dispatchScriptUrl } from "@toril/contract/engine/redis/scripts/dispatch";
import { createTake, type HeldJob, takeScriptUrl } from "@toril/contract/engine/redis/scripts/take";
import { Redis } from "ioredis";
import postgres from "postgres";

import { createBody } from "../requests.ts";

/** A loop over one statement or script, without a service around it. */
export interface Loop {
  /** Jobs of one turn; 0 if nothing is left. */
  turn(): Promise<number>;
  /** Turns in flight. */
  concurrency: number;
}

/** As many jobs as a producer commits at once. */
const jobsPerBatch = 96;
const jobsPerTake = 64;
const queue = "default";
const prefix = "limits";
const options = { attempts: 3, backoff: { type: "exponential", delay: 1000 } } as const;

export interface LoopSettings {
  redisUrl: string;
  databaseUrl: string;
  bodyBytes: number;
}

export const loops = {
  async insert({ databaseUrl, bodyBytes }): Promise<Loop> {
    const sql = postgres(databaseUrl, { max: 2 });
    const data = createData(bodyBytes);
    return {
      concurrency: 2,
      async turn() {
        await insertNewJobs(
          sql,
          Array.from({ length: jobsPerBatch }, () => createJob(data)),
        );
        return jobsPerBatch;
      },
    };
  },
  async dispatch(settings): Promise<Loop> {
    const dispatch = await openDispatch(settings);
    return { concurrency: 2, turn: () => dispatch(jobsPerBatch) };
  },
  /** @param backlog jobs that are dispatched before the loop starts */
  async take(settings, backlog): Promise<Loop> {
    const dispatch = await openDispatch(settings);
    for (let left = backlog; left > 0; left -= jobsPerBatch) await dispatch(jobsPerBatch);
    const take = createTake(new Redis(settings.redisUrl), {
      prefix,
      queue,
      script: await readFile(takeScriptUrl, "utf8"),
      workerName: "bench",
      lockDurationMs: 10_000,
      limiter: undefined,
      returnValue: JSON.stringify("done"),
    });
    let finished: HeldJob[] = [];
    let calls = 0;
    return {
      concurrency: 1,
      async turn() {
        calls += 1;
        const reply = await take({ limit: jobsPerTake, finished, token: `token-${calls}` });
        finished = reply.jobs;
        return reply.jobs.length;
      },
    };
  },
} satisfies Record<string, (settings: LoopSettings, backlog: number) => Promise<Loop>>;

export type LoopName = keyof typeof loops;

async function openDispatch({ redisUrl, bodyBytes }: LoopSettings) {
  const script = await readFile(dispatchScriptUrl, "utf8");
  const dispatch = createDispatch(new Redis(redisUrl), { prefix, script });
  const data = createData(bodyBytes);
  return (count: number): Promise<number> => {
    const timestamp = Date.now();
    const entry = () => ({
      bullId: createJobId(),
      type: "echo",
      data,
      options: { ...options, timestamp },
    });
    return dispatch(queue, Array.from({ length: count }, entry));
  };
}

function createData(bodyBytes: number): string {
  const { data } = JSON.parse(createBody(bodyBytes)) as { data: unknown };
  return JSON.stringify(data);
}

function createJob(data: string): NewJob {
  return {
    id: createJobId(),
    tenant: "default",
    queue,
    type: "echo",
    key: null,
    data,
    options,
    runAt: null,
    expiresAt: null,
    labels: null,
    terms: null,
    dedupWindowMs: null,
    replacesWaiting: false,
    schedule: null,
    importId: null,
    parentId: null,
    onFailure: null,
    waitsForChildren: false,
    callback: null,
    quotaKey: null,
    trace: null,
  };
}
