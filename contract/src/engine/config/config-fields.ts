import { z } from "zod";
import { parseDuration } from "../../api/duration.ts";

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

/** An age like `90s`, `15m`, `12h` or `30d`, in milliseconds; null for `off`. */
export function ageOrOff(): z.ZodType<number | null, string> {
  return z.string().transform((text, context) => {
    if (text === "off") return null;
    const ms = parseDuration(text);
    if (ms !== undefined) return ms;
    context.addIssue({ code: "custom", message: "must be a time like 90s, 12h or 30d, or off" });
    return z.NEVER;
  });
}

/** 0 lets the system choose. */
export function port(): z.ZodType<number, string> {
  return wholeNumber(0, 65_535);
}

export const flag: z.ZodType<boolean, string> = z.stringbool({
  error: "must be true or false",
});
