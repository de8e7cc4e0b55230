import type { SandboxedHandlers } from "../../sandbox/sandboxed-handler.ts";
import { importStats } from "./import-stats.ts";

/** One handler per sandboxed job type of the contract; a missing handler is a compile error. */
export const sandboxedHandlers: SandboxedHandlers = {
  "import.stats": importStats,
};
