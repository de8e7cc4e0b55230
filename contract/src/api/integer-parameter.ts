import { z } from "zod";

/**
 * Parses a parameter of an address as a whole number. Only decimal digits without sign and leading zeros are accepted: as
 * `Number` reads them, `1e3` and `0x10` are numbers, and an empty text is 0.
 */
export function integerParameter(min: number, max: number) {
  const error = `Must be a whole number from ${min} to ${max}, in decimal digits.`;
  const number = z.int(error).min(min, error).max(max, error);
  return z.preprocess((text) => (isCanonical(text) ? Number(text) : undefined), number);
}

function isCanonical(text: unknown): text is string {
  return typeof text === "string" && /^(?:0|[1-9]\d{0,15})$/.test(text);
}
