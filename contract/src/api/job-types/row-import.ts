import { z } from "zod";
import { defineJob } from "../job-type.ts";

export const rowImport = defineJob({
  type: "row.import",
  queue: "imports",
  data: z
    .strictObject({
      importId: z.uuid(),
      row: z.int().min(1),
      values: z.record(z.string(), z.string()),
    })
    .meta({
      id: "RowImportData",
      example: {
        importId: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
        row: 1,
        values: { zip_code: "00501", city: "Holtsville" },
      },
    }),
  result: z.null(),
  fromRow: (row) => row,
});
