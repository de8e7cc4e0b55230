// A worker with fetch alone: TORIL_URL=... TORIL_KEY=... node worker.ts (also Bun and Deno)
const { TORIL_URL = "http://127.0.0.1:3000", TORIL_KEY, TORIL_TYPE = "text.count", LEASE_MS = "30000" } = process.env;
const take = {
  types: [TORIL_TYPE],
  max: 20,
  leaseMs: Number(LEASE_MS),
  waitMs: 20_000,
  worker: `node-${process.pid}`,
};

interface Job {
  id: string;
  lease: string;
  data: { text: string };
}

async function handle({ text }: Job["data"]) {
  return { words: text.split(/\s+/).filter(Boolean).length };
}

async function run({ id, lease, data }: Job): Promise<object> {
  try {
    return { id, lease, outcome: "completed", result: await handle(data) };
  } catch (error) {
    return { id, lease, outcome: "failed", error: { message: String(error) } };
  }
}

async function call(path: string, body: object): Promise<Job[]> {
  const headers = new Headers({ "Content-Type": "application/json" });
  if (TORIL_KEY) headers.set("Authorization", `Bearer ${TORIL_KEY}`);
  const signal = AbortSignal.timeout(60_000);
  const request = { method: "POST", headers, body: JSON.stringify(body), signal };
  const response = await fetch(`${TORIL_URL}/v1/worker/${path}`, request);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { jobs: Job[] }).jobs;
}

for (let results: object[] = []; ;) {
  try {
    // A busy worker needs one request per batch: it finishes one batch and takes the next.
    const jobs = await (results.length > 0 ? call("finish", { results, take }) : call("take", take));
    results = await Promise.all(jobs.map(run));
  } catch (error) {
    // Unreachable or at capacity. Finishing is safe to repeat.
    console.error(error);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
