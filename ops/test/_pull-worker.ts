import type { FinishedAttempt } from "@toril/contract/api/worker/finish";
import type { LeasedJob } from "@toril/contract/api/worker/take";
import type { Stack } from "./_stack.ts";

/** Calls the operations of HTTP workers. */
export function createPullWorker({ producers }: Stack) {
  async function call<Answer>(operation: string, body: object): Promise<Answer> {
    const response = await fetch(`${producers[0]!.url}/v1/worker/${operation}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${operation} answered ${response.status}`);
    return (await response.json()) as Answer;
  }

  return {
    async take(selection: object) {
      const request = { leaseMs: 3_600_000, worker: "test", ...selection };
      return (await call<{ jobs: LeasedJob[] }>("take", request)).jobs;
    },
    async finish(id: string, lease: string, report: object) {
      const body = { results: [{ id, lease, ...report }] };
      return (await call<{ results: [FinishedAttempt] }>("finish", body)).results[0];
    },
    async extend(id: string, lease: string) {
      const body = { leases: [{ id, lease }], leaseMs: 3_600_000 };
      return (await call<{ leases: [object] }>("extend", body)).leases[0];
    },
  };
}

export type PullWorker = ReturnType<typeof createPullWorker>;
