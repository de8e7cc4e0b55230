import { createConnection } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import type { Sql } from "postgres";

import { createSend, type Send } from "../send.ts";

/** Address and key for the misbehaving tenant. */
export interface Target {
  url: string;
  key: string;
  /** URL of a feed with 200,000 items. */
  feedUrl: string;
}

export interface Setup {
  sql: Sql;
  send: Send;
  /** `HSET` on every Redis that holds the key. */
  setMeta(queue: string, field: string, value: string): Promise<void>;
}

/** One way in which a tenant may affect others. */
export interface Misbehaviour {
  name: string;
  /** Before it is measured. */
  prepare?(preparation: Setup): Promise<void>;
  /** Runs in its own process until `signal` is aborted; `note` counts responses. */
  act(target: Target, note: (what: string) => void, signal: AbortSignal): Promise<void>;
  /** After it. */
  clean?(preparation: Setup): Promise<void>;
}

export const noisyTenant = "noisy";
const deadRows = 200_000;

const echo = (message: string) => ({ type: "echo", data: { message } });

/** `count` clients that each send the next request when the one before was answered. */
async function sendInLoops(
  count: number,
  note: (what: string) => void,
  signal: AbortSignal,
  ask: (loop: number) => Promise<{ status: number } | undefined>,
) {
  async function loop(number: number) {
    while (!signal.aborted) {
      const answer = await ask(number);
      note(answer === undefined ? "no response" : String(answer.status));
      if (answer === undefined || answer.status >= 429) await sleep(50);
    }
  }
  await Promise.all(Array.from({ length: count }, (_, number) => loop(number)));
}

/** Connections that send a request and never read the response. */
async function openUnreadStreams(count: number, { url, key }: Target, path: string) {
  const { hostname, port } = new URL(url);
  return Array.from({ length: count }, () => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    socket.on("error", () => {});
    socket.pause();
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${key}\r\nAccept: text/event-stream\r\n\r\n`,
    );
    return socket;
  });
}

async function insertDead({ sql }: Setup) {
  // As if they had failed one after another.
  await sql`
    insert into jobs (id, tenant, queue, type, status, data, options, attempts, error, reason, created_at, settled_at)
    select uuidv7(make_interval(secs => number - ${deadRows}::int)), ${noisyTenant}, 'default', 'echo', 'dead',
      '{"message":"dead"}', '{}', 1, '{"name":"Error","message":"failed"}', 'failed', now(), now()
    from generate_series(1, ${deadRows}::int) as number
    where not exists (select from jobs where tenant = ${noisyTenant} and status = 'dead')`;
}

async function deleteSchedules({ sql }: Setup) {
  await sql`delete from schedules where tenant = ${noisyTenant}`;
}

const csvColumns = 100_000;
const feedItems = 200_000;

export function largeFeed(): string {
  const items = Array.from({ length: feedItems }, (_, item) => `<item><guid>${item}</guid></item>`);
  return `<rss version="2.0"><channel><title>t</title>${items.join("")}</channel></rss>`;
}

export const misbehaviours: readonly Misbehaviour[] = [
  {
    name: "60 readers of 200,000 dead letters",
    prepare: insertDead,
    act: ({ url, key }, note, signal) => {
      const send = createSend(url, key);
      return sendInLoops(60, note, signal, () => send("/v1/dead-letters?queue=imports"));
    },
  },
  {
    name: "20 replays of a queue's event stream",
    async prepare({ send }) {
      const json = Array.from({ length: 5000 }, (_, number) => echo(`event ${number}`));
      await send("/v1/jobs/bulk", { json });
    },
    act: ({ url, key }, note, signal) =>
      sendInLoops(20, note, signal, async () => {
        try {
          const response = await fetch(`${url}/v1/queues/default/events`, {
            headers: { Authorization: `Bearer ${key}`, "Last-Event-ID": "default:0-0" },
            signal: AbortSignal.any([signal, AbortSignal.timeout(1000)]),
          });
          await response.text();
          return response;
        } catch {
          // Read for a second.
          return { status: 200 };
        }
      }),
  },
  {
    name: "200 event streams that are never read",
    async act(target, note, signal) {
      const sockets = await openUnreadStreams(200, target, "/v1/queues/default/events");
      const send = createSend(target.url, target.key);
      const json = Array.from({ length: 500 }, (_, number) => echo(`${number} ${"x".repeat(200)}`));
      await sendInLoops(1, note, signal, async () => {
        const answer = await send("/v1/jobs/bulk", { json });
        await sleep(250, undefined, { signal }).catch(() => {});
        return answer;
      });
      for (const socket of sockets) socket.destroy();
    },
  },
  {
    name: "10,000 schedules of one second",
    async prepare({ sql, send }) {
      const json = { everyMs: 1000, overlap: "queue", job: echo("tick") };
      await send("/v1/schedules/first", { method: "PUT", json });
      await sql`
        insert into schedules
        select (jsonb_populate_record(one, jsonb_build_object('name', 'schedule-' || number, 'id', gen_random_uuid()))).*
        from schedules as one, generate_series(1, 9999) as number
        where one.tenant = ${noisyTenant} and one.name = 'first'`;
    },
    act: (_, __, signal) => sleep(3_600_000, undefined, { signal }).catch(() => {}),
    clean: deleteSchedules,
  },
  {
    name: "300 operations over 200,000 jobs",
    prepare: insertDead,
    async act({ url, key }, note, signal) {
      const send = createSend(url, key);
      const json = { action: "retry", filter: { status: "dead", label: "none" } };
      let left = 300;
      await sendInLoops(4, note, signal, async () => {
        if (left > 0) return send("/v1/operations", { json }).finally(() => (left -= 1));
        await sleep(1000, undefined, { signal }).catch(() => {});
        return send("/v1/operations?limit=1");
      });
    },
    clean: async ({ sql }) =>
      void (await sql`delete from operations where tenant = ${noisyTenant}`),
  },
  {
    name: "32 MB of [ as a bulk request",
    act: ({ url, key }, note, signal) => {
      const send = createSend(url, key);
      const headers = { "Content-Type": "application/json" };
      const body = "[".repeat(32_000_000);
      return sendInLoops(2, note, signal, () => send("/v1/jobs/bulk", { body, headers }));
    },
  },
  {
    name: "a feed with 200,000 items, imported",
    act: ({ url, key }, note, signal) => {
      const send = createSend(url, key);
      const headers = { "Content-Type": "application/rss+xml" };
      const body = largeFeed();
      const path = "/v1/imports?type=feed.item&source=large";
      return sendInLoops(1, note, signal, () => send(path, { body, headers, timeoutMs: 60_000 }));
    },
  },
  {
    name: "a feed with 200,000 items, fetched",
    act: ({ url, key, feedUrl }, note, signal) => {
      const send = createSend(url, key);
      let number = 0;
      return sendInLoops(2, note, signal, async () => {
        const data = { url: `${feedUrl}?${(number += 1)}` };
        const json = { type: "feed.fetch", data };
        return send("/v1/jobs", { json, headers: { Prefer: "wait=30" }, timeoutMs: 60_000 });
      });
    },
  },
  {
    name: "a CSV file with 100,000 columns",
    act: ({ url, key }, note, signal) => {
      const send = createSend(url, key);
      const headers = { "Content-Type": "text/csv" };
      const columns = Array.from({ length: csvColumns }, (_, column) => `c${column}`);
      const line = `${columns.join()}\n`;
      const body = line + line.repeat(10);
      const path = "/v1/imports?type=row.import";
      return sendInLoops(2, note, signal, () => send(path, { body, headers, timeoutMs: 60_000 }));
    },
  },
  {
    name: "a page of 500 jobs with 0.96 MB each",
    async prepare({ send }) {
      const message = "x".repeat(960_000);
      for (let count = 0; count < 20; count += 1) {
        const json = Array.from({ length: 25 }, () => ({ ...echo(message), delayMs: 3_600_000 }));
        await send("/v1/jobs/bulk", { json, timeoutMs: 60_000 });
      }
    },
    act: ({ url, key }, note, signal) => {
      const send = createSend(url, key);
      return sendInLoops(2, note, signal, () => send("/v1/jobs?limit=500", { timeoutMs: 60_000 }));
    },
    clean: async ({ send }) =>
      void (await send("/v1/operations", {
        json: { action: "cancel", filter: { status: "pending" } },
      })),
  },
  {
    name: "64 connections with an Idempotency-Key each request",
    act: ({ url, key }, note, signal) => {
      const send = createSend(url, key);
      let number = 0;
      const run = crypto.randomUUID();
      return sendInLoops(64, note, signal, () =>
        send("/v1/jobs", { json: echo("keyed"), idempotencyKey: `${run}-${(number += 1)}` }),
      );
    },
  },
  {
    name: "malformed settings of another queue in Redis",
    prepare: ({ setMeta }) => setMeta("imports", "concurrency", "abc"),
    act: ({ url, key }, note, signal) => {
      const send = createSend(url, key);
      const data = { importId: crypto.randomUUID(), row: 1, values: {} };
      return sendInLoops(4, note, signal, async () => {
        await sleep(20);
        return send("/v1/jobs", { json: { type: "row.import", data } });
      });
    },
  },
];
