import type { Answer } from "../send.ts";
import { type Caller, keyedRowsImportId, unkeyedRowsImportId } from "../load.ts";

const row = (number: number, importId: string = keyedRowsImportId) => ({
  type: "row.import",
  data: { importId, row: number, values: { number: String(number) } },
});

export const echo = (message: string, data: Record<string, unknown> = {}) => ({
  type: "echo",
  data: { message, ...data },
});

export const hour = 3_600_000;

export function getIds(answer: Answer): string[] {
  const { results = [] } = answer.body as { results?: { id?: string }[] };
  return results.flatMap(({ id }) => id ?? []);
}

export const bulk: Caller = {
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

export const upload: Caller = {
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

export const plain: Caller = {
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
export const keyed: Caller = {
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
export const once: Caller = {
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
