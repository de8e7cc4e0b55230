import { serveFront } from "./front.ts";

/** Parses a job and answers with an id: what HTTP and JSON cost alone. */
serveFront({ enqueue: async () => crypto.randomUUID() });
