import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import type { ProjectPlugin } from "./define-config.ts";

/** The plug-in with the job types that Toril ships: `echo`, `row.import`, `import.stats`, `feed.item` and `feed.fetch`. */
export const shipped: ProjectPlugin = {
  jobTypes: shippedJobTypes,
  loadHandlers: async () => (await import("@toril/consumer/shipped")).shippedPlugin,
};
