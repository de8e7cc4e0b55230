import { echo } from "./echo.ts";
import { feedFetch } from "./feed-fetch.ts";
import { feedItem } from "./feed-item.ts";
import { importStats } from "./import-stats.ts";
import { rowImport } from "./row-import.ts";

/** The job types that Toril ships, in the order of the documentation. */
export const shippedJobTypes = [echo, rowImport, importStats, feedItem, feedFetch] as const;
