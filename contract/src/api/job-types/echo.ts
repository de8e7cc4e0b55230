import { z } from "zod";
import { defineJob } from "../job-type.ts";

export const echo = defineJob({
  type: "echo",
  queue: "default",
  data: z
    .strictObject({
      message: z.string(),
      sleepMs: z
        .int()
        .min(0)
        .max(300_000)
        .optional()
        .meta({ description: "Duration of an attempt, in milliseconds" }),
      failures: z
        .int()
        .min(0)
        .max(100)
        .optional()
        .meta({ description: "Number of attempts that fail before one succeeds" }),
    })
    .meta({ id: "EchoData", example: { message: "hello" } }),
  result: z.strictObject({ message: z.string() }),
});
