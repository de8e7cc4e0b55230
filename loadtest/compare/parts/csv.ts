import { csvRows } from "../rounds/load.ts";
import { createAcceptPart } from "./accept.ts";

export const csv = createAcceptPart({
  kind: "csv",
  title: "CSV import",
  connections: () => 1,
  description: () =>
    `One connection, files of ${csvRows.toLocaleString("en-US")} rows; each row becomes a job of about 150 bytes; no consumer runs. Toril validates each row, reports rejected rows and resumes interrupted files; the bare endpoint reads the file with csv-parse and calls \`addBulk\` for every 1,000 rows. Times are of whole files.`,
});
