import { z } from "zod";
import { defineJob } from "../job-type.ts";

export const statsLimits = {
  columns: 200,
  columnName: 200,
  /** Values are truncated to this many characters for comparison and output. */
  valueLength: 200,
  topValues: 10,
  /** Limits across all columns. */
  distinct: 200_000,
  numbers: 2_000_000,
} as const;

const count = z.int().min(0);

export const ColumnStats = z.strictObject({
  name: z.string(),
  count: count.meta({ description: "Number of non-empty cells" }),
  empty: count,
  longest: count.meta({ description: "Length of the longest value, in UTF-16 code units" }),
  distinct: count.meta({
    description: "Number of distinct values; a lower bound unless `isDistinctExact`",
  }),
  isDistinctExact: z.boolean(),
  top: z.array(z.strictObject({ value: z.string(), count })).meta({
    description:
      `The most frequent of the counted distinct values, at most ${statsLimits.topValues}. ` +
      `Values are compared by their first ${statsLimits.valueLength} characters`,
  }),
  numbers: z
    .strictObject({
      count,
      min: z.number(),
      max: z.number(),
      mean: z.number(),
      stddev: z.number().meta({ description: "Sample standard deviation; 0 for a single number" }),
      median: z.number(),
      p95: z.number(),
      isExact: z
        .boolean()
        .meta({ description: "false: `median` and `p95` are computed from a random sample" }),
    })
    .nullable()
    .meta({ description: "Statistics of the numeric cells; null if there are none" }),
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
        .meta({ description: "Columns to analyze; default: all, ordered by name" }),
    })
    .meta({
      id: "ImportStatsData",
      example: { importId: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304", columns: ["city"] },
    }),
  result: z.strictObject({
    rows: count.meta({
      description: "Number of analyzed rows; not yet all rows if the import is still running",
    }),
    columns: z.array(ColumnStats),
  }),
});
