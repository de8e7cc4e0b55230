import type { SandboxedHandlers } from "../../sandbox/sandboxed-handler.ts";
import { importStats } from "./import-stats.ts";

/** One per sandboxed job type of the contract: without it this does not compile. */
export const sandboxedHandlers: SandboxedHandlers = {
  "import.stats": importStats,
};
