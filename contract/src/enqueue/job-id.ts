import { uuidv7 } from "uuidv7";

type Runtime = typeof globalThis & { Bun?: { randomUUIDv7(): string } };

/** A UUID of version 7; those of one process ascend. Bun's own costs a fifth of the library's. */
export const createJobId: () => string = (globalThis as Runtime).Bun?.randomUUIDv7 ?? uuidv7;
