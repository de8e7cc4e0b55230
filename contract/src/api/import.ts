import { z } from "zod";
import { Problem } from "./problem.ts";

export const ImportStatus = z.enum(["receiving", "running", "done", "failed", "cancelled"]);
export type ImportStatus = z.infer<typeof ImportStatus>;

const count = z.int().min(0);

export const ImportError = z
  .strictObject({
    line: count.meta({
      description: "Line number in the file; for a feed, the number of the item",
    }),
    problem: Problem,
  })
  .meta({ id: "ImportError" });
export type ImportError = z.infer<typeof ImportError>;

const ImportCounts = z
  .strictObject({
    read: count.meta({ description: "Rows or items read" }),
    accepted: count.meta({ description: "Rows or items recorded as jobs" }),
    duplicate: count.meta({ description: "Rows or items whose key belongs to a pending job" }),
    rejected: count.meta({
      description: "Rows or items that could not be parsed or did not match the schema",
    }),
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
        "receiving: the body is being read. running: the body was read and jobs are pending. " +
        "failed: the body ended early or is malformed, or every row was rejected; jobs that were accepted before are still processed.",
    }),
    counts: ImportCounts,
    errors: z.array(ImportError).meta({ description: "Errors of the first rejected rows" }),
    createdAt: z.iso.datetime(),
  })
  .meta({
    id: "Import",
    example: {
      id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
      type: "row.import",
      status: "done",
      counts: {
        read: 1,
        accepted: 1,
        duplicate: 0,
        rejected: 0,
        completed: 1,
        dead: 0,
        cancelled: 0,
        expired: 0,
      },
      errors: [],
      createdAt: "2026-11-23T09:30:00.000Z",
    },
  });
export type Import = z.infer<typeof Import>;
