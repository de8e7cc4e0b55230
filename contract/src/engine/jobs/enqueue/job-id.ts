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
