import { RE2JS } from "re2js";

/** Thrown when a validation exceeds its budget. */
export class PatternBudgetExceeded extends Error {}

/** Instructions times characters of one validation: about half a second at worst. */
const maxSteps = 50_000_000;
let stepsLeft = maxSteps;

/** Gives the patterns of one synchronous validation a new budget. */
export function resetPatternBudget(): void {
  stepsLeft = maxSteps;
}

export interface LinearPattern {
  /** Number of instructions; a match takes at most this many steps per character. */
  size: number;
  test(text: string): boolean;
  toString(): string;
}

/**
 * Compiles a pattern that matches in linear time, unlike JavaScript's. Throws if the pattern is not valid in both
 * JavaScript and RE2.
 */
export function compilePattern(pattern: string): LinearPattern {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(new RegExp(pattern, "u")));
  const size = compiled.programSize();
  return {
    size,
    test(text) {
      stepsLeft -= (text.length + 1) * size;
      if (stepsLeft < 0) throw new PatternBudgetExceeded();
      return compiled.matcher(text).find();
    },
    toString: () => `/${pattern}/`,
  };
}
