import { z } from "zod";

/** What a caller may be allowed to do. None implies another. */
export const Scope = z.enum([
  "jobs:write",
  "jobs:read",
  "queues:admin",
  "keys:admin",
  "metrics:read",
]);
export type Scope = z.infer<typeof Scope>;
