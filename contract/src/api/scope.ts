import { z } from "zod";

/** The permissions of an API key. No scope implies another. */
export const Scope = z.enum([
  "jobs:write",
  "jobs:read",
  "queues:admin",
  "keys:admin",
  "metrics:read",
]);
export type Scope = z.infer<typeof Scope>;
