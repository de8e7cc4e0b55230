import { extname } from "node:path";
import { shippedJobTypes } from "@toril/contract/api/job-types/index";
import { createRegistry } from "@toril/contract/api/registry";
import { sandboxedHandlers } from "./handlers/sandboxed/index.ts";
import { createShippedHandlers } from "./handlers/shipped-handlers.ts";
import type { JobTypePlugin } from "./worker/plugin.ts";

/** In the source tree `.ts`, in an image the extension of the bundle. */
const extension = extname(import.meta.url);
const jobTypes = createRegistry(shippedJobTypes);

/** The job types that Toril ships, which the demo uses. */
export const shippedPlugin = {
  jobTypes,
  createHandlers: (services) => createShippedHandlers(jobTypes, services),
  sandboxes: [
    {
      handlers: sandboxedHandlers,
      threadUrl: new URL(`./sandbox-thread${extension}`, import.meta.url),
    },
  ],
} satisfies JobTypePlugin;
