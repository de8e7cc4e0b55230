import { bulkJobs } from "../rounds/load.ts";
import { createAcceptPart } from "./accept.ts";

export const bulk = createAcceptPart({
  kind: "bulk",
  title: "Bulk requests",
  connections: () => 4,
  description: () =>
    `4 connections, ${bulkJobs} jobs per request; no consumer runs. The others use \`addBulk\`, \`insert\`, \`addJobs\` and bunqueue's bulk endpoint. Times are of whole requests.`,
});
