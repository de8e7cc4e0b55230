import { createRegistry } from "../registry.ts";
import { echo } from "./echo.ts";
import { feedFetch } from "./feed-fetch.ts";
import { feedItem } from "./feed-item.ts";
import { importStats } from "./import-stats.ts";
import { rowImport } from "./row-import.ts";

/** The job types that Toril ships, in the order of the documentation. */
export const shippedJobTypes = [echo, rowImport, importStats, feedItem, feedFetch] as const;
export const shippedRegistry = createRegistry(shippedJobTypes);
export type { JobRequest } from "../job-request.ts";
export const jobTypeNames = shippedRegistry.names;
export const queueNames = shippedRegistry.queues;
export const searchableFields = shippedRegistry.searchableFields;
export const secretQueueNames = shippedRegistry.secretQueues;
export const findJobType = shippedRegistry.find;
export const queueOf = shippedRegistry.getQueue;
export const typesIn = shippedRegistry.getTypes;
export const typesOf = shippedRegistry.getTypes;
