/** How many runs a consumer has brought to that end, of all queues and types. */
export async function countAttempts({ url }: { url: string }, outcome: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const line = new RegExp(
    String.raw`^bullmq_jobs_processed_total\{.*outcome="${outcome}".*\} (\d+)$`,
    "gm",
  );
  return [...metrics.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
}
