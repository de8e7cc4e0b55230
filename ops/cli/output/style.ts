import { styleText } from "node:util";
import type { Env } from "@toril/contract/engine/config/config";

/** A stream that may be a terminal. */
export interface Output {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

export type Format = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Colours text; returns it unchanged where colours are not wanted. */
export type Style = (format: Format, text: string) => string;

/** Colours are for terminals; `NO_COLOR` turns them off, `FORCE_COLOR` on (no-color.org, force-color.org). */
export function createStyle(output: Output, env: Env): Style {
  const isOn = env["NO_COLOR"]
    ? false
    : env["FORCE_COLOR"]
      ? env["FORCE_COLOR"] !== "0"
      : output.isTTY === true && env["TERM"] !== "dumb";
  return (format, text) => (isOn ? styleText(format, text, { validateStream: false }) : text);
}

const formats: Readonly<Record<string, Format>> = {
  completed: "green",
  done: "green",
  dead: "red",
  failed: "red",
  cancelled: "yellow",
  expired: "yellow",
  active: "cyan",
};

/** Colours a status, state or event by its meaning. */
export function styleStatus(style: Style, status: string): string {
  const format = formats[status];
  return format === undefined ? status : style(format, status);
}
