import { NonRetryableError, RetryAfterError } from "../worker/handler.ts";
import type { ThreadError } from "./messages.ts";

export function toThreadError(thrown: unknown): ThreadError {
  if (!(thrown instanceof Error)) return { name: "Error", message: String(thrown) };
  const { name, message, stack } = thrown;
  return {
    name,
    message,
    stack,
    retryAt: thrown instanceof RetryAfterError ? +thrown.at : undefined,
  };
}

export function fromThreadError({ name, message, stack, retryAt }: ThreadError): Error {
  if (retryAt !== undefined) return new RetryAfterError(new Date(retryAt), message);
  const error =
    name === "NonRetryableError" ? new NonRetryableError(message) : namedError(name, message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

export function namedError(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
