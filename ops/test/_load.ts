import { setTimeout as sleep } from "node:timers/promises";

import { type PostResult, echo, postJob } from "./_api.ts";

/** More than REQUEST_TIMEOUT_MS, and much less than a request that waits for a store forever. */
const deadlineMs = 30_000;
/** The same number of jobs in each state costs less CPU time than as many as possible. */
const pauseMs = 5;

/** Posts jobs in a loop on each connection until it is stopped; rejects if a response is late. */
export function startLoad(url: string, connections: number) {
  const answers: PostResult[] = [];
  const stopping = new AbortController();

  async function sendOn(line: number) {
    for (let index = 0; !stopping.signal.aborted; index += 1) {
      const signal = AbortSignal.timeout(deadlineMs);
      answers.push(await postJob(url, echo(`${line}-${index}`), { signal }));
      await sleep(pauseMs);
    }
  }

  const running = Promise.all(Array.from({ length: connections }, (_, line) => sendOn(line)));
  running.catch(() => stopping.abort());
  return {
    answers,
    count: (status: number) => answers.filter((answer) => answer.status === status).length,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
