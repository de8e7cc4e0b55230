/**
 * The id of the job that a schedule makes for a slot: a UUID as those of version 7 are, whose time is the slot and whose
 * rest follows from tenant, name and slot. No slot can have two jobs.
 */
export async function scheduledJobId(tenant: string, name: string, slot: Date): Promise<string> {
  const text = JSON.stringify([tenant, name, slot.getTime()]);
  const hash = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = slot.getTime().toString(16).padStart(12, "0");
  const variant = "89ab"[(hash[31] ?? 0) % 4];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
}
