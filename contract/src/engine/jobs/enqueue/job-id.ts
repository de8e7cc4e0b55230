import { uuidv7 } from "uuidv7";

type Runtime = typeof globalThis & { Bun?: { randomUUIDv7(): string } };

/** The lowest UUID: pages in ascending order of ids start after it. */
export const lowestId = "00000000-0000-0000-0000-000000000000";

/** Creates a UUID v7; the ids of one process ascend. Bun's own generator takes a fifth of the library's time. */
export const createJobId: () => string = (globalThis as Runtime).Bun?.randomUUIDv7 ?? uuidv7;

/**
 * Returns a function that creates the id of an import's job from its row number, from 1. A row that is read again gets
 * the same id. The ids are UUIDs v7 with the time of the import and ascend with the rows.
 */
export function createRowIds(importId: string): (row: number) => string {
  const prefix = importId.slice(0, 24);
  const first = Number.parseInt(importId.slice(24), 16);
  return (row) => prefix + ((first + row) % 2 ** 48).toString(16).padStart(12, "0");
}

/**
 * Creates the id of a schedule's job for a fire time: a UUID v7 whose time is the fire time and whose other bits are a
 * hash of tenant, name and fire time. A fire time thus has at most one job.
 * @param sha256 returns the hash in hexadecimal digits; synchronous, because a batch has hundreds of ids
 */
export function createScheduledJobId(
  tenant: string,
  name: string,
  scheduledFor: Date,
  sha256: (text: string) => string,
): string {
  const hex = sha256(JSON.stringify([tenant, name, scheduledFor.getTime()]));
  const time = scheduledFor.getTime().toString(16).padStart(12, "0");
  const variant = "89ab"[Number.parseInt(hex.slice(-2), 16) % 4];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(3, 6)}-${hex.slice(6, 18)}`;
}
