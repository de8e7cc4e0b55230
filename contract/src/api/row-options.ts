import { z } from "zod";
import { limits } from "./limits.ts";
import { requestOptions } from "./jobs/job-options.ts";

const empty = z.enum(["absent", "null", "text"]).default("absent").meta({
  description:
    "An empty cell: absent: the field is omitted. null: the field is null. text: the field is an empty string",
});
const column = z.string().min(1).meta({ description: "Column of the file" });

const ColumnSource = z
  .strictObject({
    column,
    type: z.enum(["string", "number", "boolean", "date"]).optional().meta({
      description:
        "Default: as the schema of the job type requires. boolean: true, yes, 1, or false, no, 0",
    }),
    format: z
      .string()
      .regex(/^(?=.*yyyy)(?=.*MM)(?=.*dd)[^a-zA-Z]*((yyyy|MM|dd|HH|mm|ss|T)[^a-zA-Z]*)+$/)
      .optional()
      .meta({
        description:
          "Format of a date, of `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss`. Without hours the field is a date (`2026-11-29`), with hours a time in UTC (`2026-11-29T18:30:00Z`)",
        example: "dd.MM.yyyy",
      }),
    empty,
  })
  .meta({ id: "ColumnSource" });

const ConstantSource = z
  .strictObject({ value: z.unknown().meta({ description: "The same value for all rows" }) })
  .meta({ id: "ConstantSource" });

/** Source of a field: the name of a column, a column with a conversion, or a constant. */
const FieldSource = z.union([column, ColumnSource, ConstantSource]);
export type FieldSource = z.infer<typeof FieldSource>;

/** How the rows of a file become jobs. */
export const rowOptions = {
  mapping: z
    .record(z.string().min(1), FieldSource)
    .optional()
    .meta({
      description:
        "Fields of the data and their sources; other columns are ignored. Default: each column is the field of its name",
      example: { message: "text", sleepMs: { column: "delay", type: "number" } },
    }),
  key: z.string().min(1).max(1000).optional().meta({
    description:
      "Key of the jobs: a column, or a template with columns in braces. A row whose key belongs to a pending job is a duplicate; with `options.keyPolicy` of type `once`, to any job of the window",
  }),
  unknownColumns: z.enum(["reject", "ignore"]).default("reject").meta({
    description:
      "Policy for columns that match no field of the job type. reject: each row is rejected. ignore: the columns are ignored",
  }),
  maxErrors: z.int().min(0).max(limits.importMaxErrors).optional().meta({
    description:
      "The import fails when more rows are rejected. Jobs that were accepted before are still processed",
  }),
  dryRun: z.boolean().default(false).meta({
    description: "true: validates all rows and enqueues nothing; `counts` are as in a real import",
  }),
};

const { key: _, callbackUrl: __, ...jobOptions } = requestOptions;

/** Options of all jobs of an import. */
export const ImportJobOptions = z
  .strictObject(jobOptions)
  .meta({ id: "ImportJobOptions", example: { priority: 5, labels: ["nightly"] } });

export interface RowOptions {
  mapping?: Record<string, FieldSource> | undefined;
  key?: string | undefined;
  unknownColumns?: "reject" | "ignore";
  options?: z.infer<typeof ImportJobOptions> | undefined;
}
