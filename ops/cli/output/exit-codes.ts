import { ConnectionError, type Problem, TorilError } from "@toril/client";
import { ConfigError } from "@toril/contract/engine/config/config";
import { UserError } from "../../dev/user-error.ts";
import { UsageError } from "../command.ts";
import { toPrintable } from "./render-table.ts";

/** Exit codes of all commands: an interface for scripts. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** Invalid arguments, or a request that the service refuses as invalid. */
  usage: 2,
  notFound: 3,
  conflict: 4,
  notPermitted: 5,
  /** No response, an overloaded service or an exceeded quota: the command may be repeated. */
  unavailable: 6,
  /** Some entries were rejected. */
  rejected: 7,
  interrupted: 130,
} as const;

/** Returns the exit code of a command that ended with an error. */
export function getExitCode(error: unknown): number {
  if (error instanceof UsageError || error instanceof ConfigError) return exitCodes.usage;
  if (error instanceof ConnectionError) return exitCodes.unavailable;
  if (error instanceof TorilError) return getProblemCode(error.problem);
  return exitCodes.failed;
}

/** Returns the exit code for a problem of the service. */
export function getProblemCode({ status }: Problem): number {
  if (status === 401 || status === 403) return exitCodes.notPermitted;
  if (status === 404 || status === 410) return exitCodes.notFound;
  if (status === 409 || status === 412) return exitCodes.conflict;
  if (status === 429 || status >= 502) return exitCodes.unavailable;
  return status < 500 ? exitCodes.usage : exitCodes.failed;
}

/** Describes an expected error for people; undefined for an unexpected one. */
export function describeError(error: unknown): string | undefined {
  if (error instanceof TorilError) return describeProblem(error.problem);
  const isExpected =
    error instanceof UsageError ||
    error instanceof ConfigError ||
    error instanceof UserError ||
    error instanceof ConnectionError;
  return isExpected ? error.message.split("\n").map(toPrintable).join("\n") : undefined;
}

/** Describes a problem with its field errors, one a line. */
export function describeProblem({ title, detail, errors = [], requestId }: Problem): string {
  const lines = [
    [title, detail].filter(Boolean).join(": "),
    ...errors.map((error) => `  ${error.pointer || "/"}: ${error.detail}`),
    ...(requestId === undefined ? [] : [`  request ${requestId}`]),
  ];
  return lines.map(toPrintable).join("\n");
}
