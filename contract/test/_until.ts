/** Less than the limit of a test, so that a failure names the condition. */
const withinMs = 150_000;

/** Waits until `look` returns a truthy value, and returns it. The pauses grow, because each look may cost a query. */
export async function _until<Found>(
  look: () => Found | undefined | false | Promise<Found | undefined | false>,
): Promise<Found> {
  const deadline = performance.now() + withinMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 1.5, 25)) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error("timed out waiting for a condition");
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
