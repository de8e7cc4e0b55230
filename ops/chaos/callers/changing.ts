import type { Caller, LoadContext } from "../load.ts";
import { echo, getIds, hour } from "./enqueueing.ts";

export const cancel: Caller = {
  kind: "cancel",
  count: 1,
  pauseMs: 100,
  async act({ getAcceptedId, history, sendUntilDefinite, nextNumber, random }) {
    const number = nextNumber();
    const job = { ...echo(`cancel-${number}`), delayMs: random.pick([0, 500, 3000]) };
    const request = { json: job, idempotencyKey: `cancel-${number}` };
    const id = getAcceptedId("cancel", await sendUntilDefinite("/v1/jobs", request));
    if (id === undefined) return;
    history.ids.push(id);
    const answer = await sendUntilDefinite(`/v1/jobs/${id}`, {
      method: "DELETE",
      timeoutMs: 10_000,
    });
    if (answer?.status === 200) {
      history.cancelled.push(id);
      history.count("cancelled jobs");
    }
  },
};

/** Retries a job that is dead after its first attempt. */
export const retry: Caller = {
  kind: "retry",
  count: 1,
  pauseMs: 200,
  async act(context) {
    const { getAcceptedId, history, sendUntilDefinite, nextNumber, send, signal } = context;
    const number = nextNumber();
    const job = { ...echo(`dies-${number}`, { failures: 1 }), attempts: 1 };
    const request = { json: job, idempotencyKey: `dies-${number}` };
    const id = getAcceptedId("retry", await sendUntilDefinite("/v1/jobs", request));
    if (id === undefined) return;
    history.ids.push(id);
    await whenEnded(send, id, signal);
    const retried = { method: "POST", idempotencyKey: `retry-${number}` };
    const answer = await sendUntilDefinite(`/v1/jobs/${id}/retry`, retried);
    if (answer?.status === 202) history.count("retried jobs");
  },
};

async function whenEnded(send: LoadContext["send"], id: string, signal: AbortSignal) {
  while (!signal.aborted) {
    const answer = await send(`/v1/jobs/${id}`, { headers: { Prefer: "wait=5" } });
    if ((answer?.body as { settledAt?: string | null } | undefined)?.settledAt) return;
  }
}

/** Attempts that fail and are repeated by the service. */
export const flaky: Caller = {
  kind: "flaky job",
  count: 1,
  pauseMs: 150,
  async act({ getAcceptedId, history, sendUntilDefinite, nextNumber }) {
    const number = nextNumber();
    const backoff = { type: "fixed", delay: 100 };
    const json = { ...echo(`flaky-${number}`, { failures: 1 }), attempts: 3, backoff };
    const request = { json, idempotencyKey: `flaky-${number}` };
    const id = getAcceptedId("flaky job", await sendUntilDefinite("/v1/jobs", request));
    if (id !== undefined) history.ids.push(id);
    history.count("jobs whose first attempt fails");
  },
};

/** Cancels many delayed jobs by one operation. */
export const operation: Caller = {
  kind: "operation",
  count: 1,
  pauseMs: 2000,
  async act({ getAcceptedId, history, sendUntilDefinite, nextNumber, send, signal }) {
    const label = `operation-${nextNumber()}`;
    const json = Array.from({ length: 20 }, () => ({
      ...echo(label),
      delayMs: hour,
      labels: [label],
    }));
    const created = await sendUntilDefinite("/v1/jobs/bulk", {
      json,
      idempotencyKey: `jobs-${label}`,
    });
    if (created === undefined) return;
    const ids = getIds(created);
    history.ids.push(...ids);
    const request = { json: { action: "cancel", filter: { label } }, idempotencyKey: label };
    const id = getAcceptedId("operation", await sendUntilDefinite("/v1/operations", request));
    if (id === undefined) return;
    history.operations.push(label);
    while (!signal.aborted) {
      const now = await send(`/v1/operations/${id}`);
      const { status } = (now?.body ?? {}) as { status?: string };
      if (status === "done") {
        history.cancelled.push(...ids);
        history.count("operations");
        return;
      }
      await Bun.sleep(200);
    }
  },
};
