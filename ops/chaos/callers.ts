import { createClient } from "@toril/contract/api/client";

import type { Answer } from "./send.ts";
import { type Caller, type LoadContext, keyedRowsImportId, unkeyedRowsImportId } from "./load.ts";

const row = (number: number, importId: string = keyedRowsImportId) => ({
  type: "row.import",
  data: { importId, row: number, values: { number: String(number) } },
});
const echo = (message: string, data: Record<string, unknown> = {}) => ({
  type: "echo",
  data: { message, ...data },
});
const hour = 3_600_000;

function getIds(answer: Answer): string[] {
  const { results = [] } = answer.body as { results?: { id?: string }[] };
  return results.flatMap(({ id }) => id ?? []);
}

const bulk: Caller = {
  kind: "bulk",
  count: 2,
  pauseMs: 0,
  async act({ history, backlog, bulkSize, sendUntilDefinite, nextNumber, random, signal }) {
    await backlog.take(bulkSize, signal);
    const json = Array.from({ length: bulkSize }, () => row(nextNumber()));
    const request = { json, idempotencyKey: `bulk-${nextNumber()}` };
    const answer = await sendUntilDefinite("/v1/jobs/bulk", request);
    if (answer === undefined) return;
    const ids = getIds(answer);
    if (answer.status >= 300 || ids.length !== bulkSize) {
      history.addViolation("bulk: an unexpected answer", { ...answer, body: undefined, ids });
    }
    history.ids.push(...ids);
    history.count("bulk requests");
    if (random.below(20) > 0) return;
    const replayed = await sendUntilDefinite("/v1/jobs/bulk", request);
    if (replayed === undefined) return;
    history.count("replayed bulk requests");
    if (getIds(replayed).join() !== ids.join()) {
      const { idempotencyKey } = request;
      history.addViolation("duplicated: a bulk request's Idempotency-Key", { idempotencyKey });
    }
  },
};

const upload: Caller = {
  kind: "import",
  count: 1,
  pauseMs: 0,
  async act({ history, backlog, sendUntilDefinite, importRows, nextNumber, signal }) {
    await backlog.take(importRows, signal);
    const name = `upload-${nextNumber()}`;
    const lines = Array.from({ length: importRows }, (_, index) => `${name},${index}`);
    const body = `upload,number\n${lines.join("\n")}\n`;
    const answer = await sendUntilDefinite("/v1/imports?type=row.import", {
      body,
      headers: { "Content-Type": "text/csv" },
      idempotencyKey: name,
      timeoutMs: 60_000,
    });
    if (answer === undefined) return;
    const { id = "", counts } = answer.body as { id?: string; counts?: { accepted: number } };
    if (answer.status >= 300 || counts?.accepted !== importRows) {
      history.addViolation("import: an unexpected answer", answer);
      return;
    }
    history.uploads.set(name, { importId: id, accepted: importRows });
    history.count("imports");
  },
};

const plain: Caller = {
  kind: "plain POST",
  count: 2,
  pauseMs: 15,
  async act({ history, nextNumber, send }) {
    const answer = await send("/v1/jobs", { json: row(nextNumber(), unkeyedRowsImportId) });
    const { id } = (answer?.body ?? {}) as { id?: string };
    if (answer !== undefined && answer.status < 300 && id !== undefined) {
      history.ids.push(id);
      history.count("plain POSTs");
    }
  },
};

/** With an Idempotency-Key, now and then twice at once, and now and then again. */
const keyed: Caller = {
  kind: "keyed POST",
  count: 2,
  pauseMs: 15,
  async act({ getAcceptedId, history, sendUntilDefinite, nextNumber, random }) {
    const number = nextNumber();
    const request = { json: row(number), idempotencyKey: `keyed-${number}` };
    const times = random.below(10) === 0 ? 2 : 1;
    const answers = await Promise.all(
      Array.from({ length: times }, () => sendUntilDefinite("/v1/jobs", request)),
    );
    if (random.below(10) === 0) answers.push(await sendUntilDefinite("/v1/jobs", request));
    const ids = new Set(answers.map((answer) => getAcceptedId("keyed POST", answer)));
    ids.delete(undefined);
    if (ids.size > 1) history.addViolation("duplicated: an Idempotency-Key", [...ids]);
    for (const id of ids) if (id !== undefined) history.ids.push(id);
    history.count("keyed POSTs", answers.length);
  },
};

/** With a key of the job's own that is used once within an hour, by several callers. */
const once: Caller = {
  kind: "once POST",
  count: 2,
  pauseMs: 100,
  async act({ getAcceptedId, history, sendUntilDefinite, nextNumber, random }) {
    const keyPolicy = { type: "once", windowMs: hour };
    const json = { ...echo("once"), key: `once-${random.below(500)}`, keyPolicy };
    const request = { json, idempotencyKey: `once-post-${nextNumber()}` };
    const answer = await sendUntilDefinite("/v1/jobs", request);
    const id = getAcceptedId("once POST", answer);
    const { outcome } = (answer?.body ?? {}) as { outcome?: string };
    if (id !== undefined && outcome === "created") history.ids.push(id);
    history.count("POSTs with a key that counts once");
  },
};

const cancel: Caller = {
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

/** Of a job that is dead after its first attempt. */
const retry: Caller = {
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
const flaky: Caller = {
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
const operation: Caller = {
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

/** Follows a job to its end, through whatever breaks the stream. */
function follower(baseUrl: string): Caller {
  const client = createClient({ baseUrl });
  return {
    kind: "stream of a job",
    count: 2,
    pauseMs: 200,
    async act({ getAcceptedId, history, sendUntilDefinite, nextNumber, send, signal }) {
      const number = nextNumber();
      const json = { ...echo(`followed-${number}`), delayMs: 200 };
      const request = { json, idempotencyKey: `followed-${number}` };
      const id = getAcceptedId("stream of a job", await sendUntilDefinite("/v1/jobs", request));
      if (id === undefined) return;
      history.ids.push(id);
      const following = new AbortController();
      const ending = AbortSignal.any([following.signal, signal]);
      const checking = endIfLate(following, async () => {
        const answer = await send(`/v1/jobs/${id}`);
        const { settledAt } = (answer?.body ?? {}) as { settledAt?: string | null };
        return typeof settledAt === "string" && Date.now() - Date.parse(settledAt) > streamMs;
      });
      try {
        while (!ending.aborted) {
          try {
            for await (const _ of client.followJob(id, { signal: ending })) {
              // Until it has ended.
            }
            history.count("streams of jobs, followed to the end");
            return;
          } catch {
            await Bun.sleep(200);
          }
        }
        if (following.signal.aborted && !signal.aborted) {
          history.addViolation("stuck: a stream did not tell that its job ended", { id });
        }
      } finally {
        clearInterval(checking);
      }
    },
  };
}

/** How long after the end of a job its stream may report it: longer than any fault and the recovery from it. */
const streamMs = 60_000;

function endIfLate(following: AbortController, isLate: () => Promise<boolean>) {
  return setInterval(() => {
    void isLate().then((late) => late && following.abort());
  }, streamMs / 4);
}

/** Reads all events of a queue, as a dashboard does. */
function watcher(baseUrl: string): Caller {
  const client = createClient({ baseUrl });
  return {
    kind: "stream of a queue",
    count: 1,
    pauseMs: 1000,
    async act({ history, signal }) {
      try {
        for await (const _ of client.followQueue("default", { signal })) {
          history.count("events of a queue");
        }
      } catch {
        // The first request of a stream may meet a fault.
      }
    },
  };
}

const reader: Caller = {
  kind: "reads",
  count: 1,
  pauseMs: 500,
  async act({ history, random, send }) {
    const paths = ["/v1/jobs?limit=50", "/v1/dead-letters?limit=50", "/v1/queues", "/v1/schedules"];
    const answer = await send(random.pick(paths));
    if (answer !== undefined && answer.status < 500) history.count("reads");
    if (answer?.status === 500) history.addViolation("an internal error", answer.body);
  },
};

export function createCallers(baseUrl: string): Caller[] {
  return [
    bulk,
    upload,
    plain,
    keyed,
    once,
    cancel,
    retry,
    flaky,
    operation,
    follower(baseUrl),
    watcher(baseUrl),
    reader,
  ];
}
