import { type Context, Hono } from "hono";
import { parse } from "csv-parse";

export interface FrontJob {
  type: string;
  data: unknown;
}

/** What a queue offers to the HTTP front; a function that is missing is not served. */
export interface Queueing {
  enqueue(job: FrontJob, idempotencyKey: string | undefined): Promise<string | undefined>;
  enqueueMany?(jobs: FrontJob[]): Promise<string[]>;
  /** Resolves when the job has ended. */
  enqueueAndWait?(job: FrontJob): Promise<string | undefined>;
}

const rowsPerChunk = 1000;

/** Serves the paths of Toril that the benchmark uses, with Hono on Bun, on PORT. */
export function serveFront({ enqueue, enqueueMany, enqueueAndWait }: Queueing): void {
  const app = new Hono();

  app.post("/v1/jobs", async (c) => {
    const job = await c.req.json<FrontJob>();
    if (enqueueAndWait !== undefined && c.req.header("prefer") !== undefined) {
      return c.json({ id: await enqueueAndWait(job), status: "completed" }, 201);
    }
    return c.json({ id: await enqueue(job, c.req.header("idempotency-key")) }, 201);
  });

  if (enqueueMany !== undefined) {
    app.post("/v1/jobs/bulk", async (c) => {
      const ids = await enqueueMany(await c.req.json<FrontJob[]>());
      return c.json(
        ids.map((id) => ({ id })),
        201,
      );
    });
    app.post("/v1/imports", async (c) => importRows(c, enqueueMany));
  }

  Bun.serve({ hostname: "127.0.0.1", port: Number(process.env["PORT"]), fetch: app.fetch });
}

/** Reads a CSV file as a stream and enqueues its rows in chunks. */
async function importRows(c: Context, enqueueMany: (jobs: FrontJob[]) => Promise<string[]>) {
  const type = c.req.query("type") ?? "";
  const parser = parse({ columns: true });
  const reading = (async () => {
    for await (const chunk of c.req.raw.body ?? []) {
      if (!parser.write(chunk)) await new Promise((resolve) => parser.once("drain", resolve));
    }
    parser.end();
  })();
  let rows: FrontJob[] = [];
  let count = 0;
  for await (const data of parser) {
    rows.push({ type, data });
    count += 1;
    if (rows.length < rowsPerChunk) continue;
    await enqueueMany(rows);
    rows = [];
  }
  if (rows.length > 0) await enqueueMany(rows);
  await reading;
  return c.json({ id: crypto.randomUUID(), accepted: count }, 201);
}
