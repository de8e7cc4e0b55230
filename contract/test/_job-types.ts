import { createApi } from "../src/api/http/index.ts";
import { shippedJobTypes } from "../src/api/job-types/index.ts";
import { createRegistry } from "../src/api/registry.ts";

export const shippedRegistry = createRegistry(shippedJobTypes);
export const shippedApi = createApi(shippedRegistry);
