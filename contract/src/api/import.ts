import { z } from "zod";
import { Problem } from "./problem.ts";

export const ImportStatus = z.enum(["receiving", "running", "done", "failed", "cancelled"]);
export type ImportStatus = z.infer<typeof ImportStatus>;

const count = z.int().min(0);

export const ImportError = z
  .strictObject({
    line: count.meta({ description: "Line of the file; in a feed, the number of the item" }),
    problem: Problem,
  })
  .meta({ id: "ImportError" });
export type ImportError = z.infer<typeof ImportError>;

const ImportCounts = z
  .strictObject({
    read: count.meta({ description: "Rows or items seen" }),
    accepted: count.meta({ description: "Became jobs" }),
    duplicate: count.meta({ description: "A job with this key was still pending" }),
    rejected: count.meta({ description: "Could not be read, or did not match the schema" }),
    completed: count,
    dead: count,
    cancelled: count,
    expired: count,
  })
  .meta({ id: "ImportCounts" });

export const Import = z
  .strictObject({
    id: z.uuid(),
    type: z.string(),
    status: ImportStatus.meta({
      description:
        "receiving: the body is being read. running: it was read, and jobs are pending. " +
        "failed: the body ended early or broke, or every row was rejected; what was accepted until then is carried out.",
    }),
    counts: ImportCounts,
    errors: z.array(ImportError).meta({ description: "The first rejected rows" }),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: "Import" });
export type Import = z.infer<typeof Import>;
