import { type PostResult, echo, postJob } from "./_api.ts";

/** Default of REQUEST_TIMEOUT_MS. */
const deadlineMs = 5000;

/** Posts jobs in a loop on each connection until it is stopped; rejects if a response is late. */
export function startLoad(url: string, connections: number) {
  const answers: PostResult[] = [];
  const stopping = new AbortController();

  async function sendOn(line: number) {
    for (let index = 0; !stopping.signal.aborted; index += 1) {
      const signal = AbortSignal.timeout(deadlineMs);
      answers.push(await postJob(url, echo(`${line}-${index}`), { signal }));
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
