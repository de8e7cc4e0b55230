import type { shippedJobTypes } from "@toril/contract/api/job-types/index";
import type { SandboxedHandlers } from "../../sandbox/sandboxed-handler.ts";
import { importStats } from "./import-stats.ts";

/** One handler per sandboxed job type that Toril ships; a missing handler is a compile error. */
export const sandboxedHandlers: SandboxedHandlers<typeof shippedJobTypes> = {
  "import.stats": importStats,
};
