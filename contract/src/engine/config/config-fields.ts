import { z } from "zod";

/** Parses a whole number within the given bounds, both inclusive. */
export function wholeNumber(min: number, max: number): z.ZodType<number, string> {
  const error = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d+$/, error)
    .transform(Number)
    .refine((value) => value >= min && value <= max, error);
}

/** Parses a duration in milliseconds, at most one day. */
export function milliseconds(min: number): z.ZodType<number, string> {
  return wholeNumber(min, 86_400_000);
}

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Parses a duration such as `90s`, `15m`, `12h` or `30d` to milliseconds. Returns undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^([1-9]\d{0,4})([smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * unitMs[unit as keyof typeof unitMs];
}

/** Parses a duration like `90s`, `15m`, `12h` or `30d` into milliseconds; `off` gives null. */
export function ageOrOff(): z.ZodType<number | null, string> {
  return z.string().transform((text, context) => {
    if (text === "off") return null;
    const ms = parseDuration(text);
    if (ms !== undefined) return ms;
    context.addIssue({
      code: "custom",
      message: "must be a duration like 90s, 12h or 30d, or off",
    });
    return z.NEVER;
  });
}

/** Parses a port; 0 lets the operating system choose. */
export function port(): z.ZodType<number, string> {
  return wholeNumber(0, 65_535);
}

export const flag: z.ZodType<boolean, string> = z.stringbool({
  error: "must be true or false",
});
