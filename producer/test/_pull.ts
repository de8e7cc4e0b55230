import { createRegistry, defineJob, secret } from "@toril/contract";
import { z } from "zod";
import type { LeasedJob } from "@toril/contract/api/worker/take";
import { _json, type _Producer } from "./_producer.ts";

const resize = defineJob({
  type: "test.resize",
  queue: "images",
  worker: "pull",
  data: z
    .strictObject({ url: z.string(), size: z.int().default(100) })
    .meta({ example: { url: "a.png" } }),
  result: z.strictObject({ width: z.int() }),
  attempts: 2,
  backoff: { type: "fixed", delay: 1 },
});

const charge = defineJob({
  type: "test.charge",
  queue: "payments",
  worker: "pull",
  data: z.strictObject({ token: secret(z.string()) }).meta({ example: { token: "t" } }),
  result: z.strictObject({ text: z.string() }),
  attempts: 1,
});

const _mixed = (type: string) =>
  defineJob({
    type,
    queue: "mixed",
    worker: "pull",
    data: z.strictObject({}).meta({ example: {} }),
    result: z.null(),
  });

const limited = defineJob({
  type: "test.crawl",
  queue: "sites",
  worker: "pull",
  data: z.strictObject({ url: z.url() }).meta({ example: { url: "http://a.example/" } }),
  result: z.null(),
  rateLimit: { by: ({ url }) => new URL(url).host, max: 1, durationMs: 3_600_000 },
});

const handled = defineJob({
  type: "test.handled",
  queue: "handled",
  data: z.strictObject({}).meta({ example: {} }),
  result: z.null(),
});

export const _pullRegistry = createRegistry([
  resize,
  charge,
  _mixed("test.first"),
  _mixed("test.second"),
  limited,
  handled,
]);

/** Calls the operations of workers. */
export function _createWorker({ request }: _Producer, headers: Record<string, string> = {}) {
  const call = (path: string, body: unknown) => request(`/v1/worker/${path}`, _json(body, headers));
  return {
    call,
    async take(selection: object = {}): Promise<LeasedJob[]> {
      const { status, body, text } = await call("take", selection);
      if (status !== 200) throw new Error(text);
      return body.jobs;
    },
    async finish(job: LeasedJob, report: object) {
      const { id, lease } = job;
      const { status, body, text } = await call("finish", { results: [{ id, lease, ...report }] });
      if (status !== 200) throw new Error(text);
      return body.results[0];
    },
    async extend(job: LeasedJob, more: object = {}, leaseMs = 10_000) {
      const { id, lease } = job;
      const { body } = await call("extend", { leases: [{ id, lease, ...more }], leaseMs });
      return body.leases[0];
    },
  };
}
