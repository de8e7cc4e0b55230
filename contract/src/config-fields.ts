import { z } from "zod";

export function wholeNumber(least: number, most: number): z.ZodType<number, string> {
  const error = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d+$/, error)
    .transform(Number)
    .refine((value) => value >= least && value <= most, error);
}

/** Milliseconds, up to a day. */
export function milliseconds(least: number): z.ZodType<number, string> {
  return wholeNumber(least, 86_400_000);
}

/** 0 lets the system choose. */
export function port(): z.ZodType<number, string> {
  return wholeNumber(0, 65_535);
}

export const flag: z.ZodType<boolean, string> = z.stringbool({
  error: "must be true or false",
});
