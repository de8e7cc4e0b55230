/** Counts the attempts of a consumer with this outcome, over all queues and types. */
export async function countAttempts({ url }: { url: string }, outcome: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const line = new RegExp(
    String.raw`^bullmq_jobs_processed_total\{.*outcome="${outcome}".*\} (\d+)$`,
    "gm",
  );
  return [...metrics.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
}
