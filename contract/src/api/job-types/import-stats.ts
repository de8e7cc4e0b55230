import { z } from "zod";
import { defineJob } from "../job-type.ts";

export const statsLimits = {
  columns: 200,
  columnName: 200,
  /** Up to how many characters values are compared and shown. */
  valueLength: 200,
  topValues: 10,
  /** Of all columns together. */
  distinct: 200_000,
  numbers: 2_000_000,
} as const;

const count = z.int().min(0);

export const ColumnStats = z.strictObject({
  name: z.string(),
  count: count.meta({ description: "Cells that are not empty" }),
  empty: count,
  longest: count.meta({ description: "Of its values, in UTF-16 code units" }),
  distinct: count.meta({
    description: "Different values; the least there are, if not isDistinctExact",
  }),
  isDistinctExact: z.boolean(),
  top: z.array(z.strictObject({ value: z.string(), count })).meta({
    description:
      `The most frequent values, ${statsLimits.topValues} at most; of those counted as distinct. ` +
      `Values are told apart by their first ${statsLimits.valueLength} characters`,
  }),
  numbers: z
    .strictObject({
      count,
      min: z.number(),
      max: z.number(),
      mean: z.number(),
      stddev: z.number().meta({ description: "Of a sample; 0 for one number" }),
      median: z.number(),
      p95: z.number(),
      isExact: z
        .boolean()
        .meta({ description: "Else median and p95 are those of a random sample" }),
    })
    .nullable()
    .meta({ description: "Of the cells that hold a number; null when none does" }),
});
export type ColumnStats = z.infer<typeof ColumnStats>;

export const importStats = defineJob({
  type: "import.stats",
  queue: "imports",
  sandbox: true,
  data: z
    .strictObject({
      importId: z.uuid(),
      columns: z
        .array(z.string().min(1).max(statsLimits.columnName))
        .min(1)
        .max(statsLimits.columns)
        .optional()
        .meta({ description: "By default all, in the order of their names" }),
    })
    .meta({
      id: "ImportStatsData",
      example: { importId: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304", columns: ["city"] },
    }),
  result: z.strictObject({
    rows: count.meta({ description: "That were there; of an import that runs, not yet all" }),
    columns: z.array(ColumnStats),
  }),
});
