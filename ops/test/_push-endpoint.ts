/**
 * An endpoint of push jobs for tests, which kill it. Some first attempts fail, hang, are redirected to PRIVATE_URL, or are
 * finished later; with HANGS later attempts hang, too.
 */
const { PORT = "", PRIVATE_URL = "", TORIL_URL = "", HANGS } = process.env;

interface Job {
  id: string;
  attempt: number;
  data: { n: number };
}

async function work(path: string, body: object): Promise<void> {
  await fetch(`${TORIL_URL}/v1/worker/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function finishLater({ id, data }: Job, lease: string) {
  await work("extend", { leases: [{ id, lease, progress: 50 }], leaseMs: 3000 });
  await work("finish", { results: [{ id, lease, outcome: "completed", result: data }] });
}

Bun.serve({
  port: Number(PORT),
  hostname: "127.0.0.1",
  async fetch(request) {
    const job = (await request.json()) as Job;
    const { n } = job.data;
    if (n % 5 === 3) {
      // If this process is killed before, the lease expires.
      void finishLater(job, request.headers.get("toril-lease") ?? "").catch(() => {});
      const headers = { "Toril-Finish": "later", "Toril-Lease-Ms": "3000" };
      return new Response(null, { status: 202, headers });
    }
    if (n % 10 === 1 && (HANGS !== undefined || job.attempt === 1)) {
      return new Promise<Response>(() => {});
    }
    if (job.attempt > 1) return Response.json(job.data);
    if (n % 5 === 0) return new Response("broken", { status: 500 });
    if (n % 5 === 2) return Response.redirect(PRIVATE_URL, 307);
    return Response.json(job.data);
  },
});
