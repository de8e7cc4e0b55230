const address = `http://127.0.0.1:${process.env["PORT"]}/v1/worker`;
const take = { types: [process.env["TYPE"]], max: 100, leaseMs: 30_000, waitMs: 10_000 };
const requestsInFlight = 8;

interface Job {
  id: string;
  lease: string;
  data: { message: string };
}

async function call(path: string, body: object): Promise<Job[]> {
  const headers = { "Content-Type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(`${address}/${path}`, request);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { jobs: Job[] }).jobs;
}

async function work(): Promise<never> {
  for (let results: object[] = []; ;) {
    const jobs = await (results.length > 0
      ? call("finish", { results, take })
      : call("take", take));
    results = jobs.map(({ id, lease, data: { message } }) => ({
      id,
      lease,
      outcome: "completed",
      result: { message },
    }));
  }
}

console.log("ready");
await Promise.all(Array.from({ length: requestsInFlight }, work));
