/**
 * Returns the id of a schedule's job for a fire time: a UUID v7 whose time is the fire time and whose other bits are a
 * hash of tenant, name and fire time. A fire time thus has at most one job.
 */
export async function scheduledJobId(
  tenant: string,
  name: string,
  scheduledFor: Date,
): Promise<string> {
  const text = JSON.stringify([tenant, name, scheduledFor.getTime()]);
  const hash = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = scheduledFor.getTime().toString(16).padStart(12, "0");
  const variant = "89ab"[(hash[31] ?? 0) % 4];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
}
