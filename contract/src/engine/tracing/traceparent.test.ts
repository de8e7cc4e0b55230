import { expect, test } from "bun:test";
import { formatTraceparent, parseTraceparent, getTraceId } from "./traceparent.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

test("a traceparent is parsed and formatted", () => {
  for (const [flags, text] of [
    [1, `00-${traceId}-${spanId}-01`],
    [0, `00-${traceId}-${spanId}-00`],
  ] as const) {
    expect(parseTraceparent(text)).toEqual({ traceId, spanId, traceFlags: flags });
    expect(formatTraceparent({ traceId, spanId, traceFlags: flags })).toBe(text);
  }
  expect(getTraceId(`00-${traceId}-${spanId}-01`)).toBe(traceId);
});

test.each([
  null,
  undefined,
  "",
  traceId,
  `01-${traceId}-${spanId}-01`,
  `00-${"0".repeat(32)}-${spanId}-01`,
  `00-${traceId}-${"0".repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId}-${spanId}-01-more`,
])("%s is not a traceparent", (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
  expect(getTraceId(text)).toBeUndefined();
});
