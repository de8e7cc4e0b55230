import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { describeError } from "../app/api.ts";
import { toast } from "./toast.tsx";

export interface ActionProps {
  children: ComponentChildren;
  /** Returns what the person reads about the success. */
  run(): Promise<string | undefined>;
  onDone?: (() => void) | undefined;
  kind?: "primary" | "danger" | "small" | undefined;
  disabled?: boolean | undefined;
  label?: string | undefined;
}

/** A button that runs an action once, and reports its success or failure. */
export function Action({ children, run, onDone, kind, disabled = false, label }: ActionProps) {
  const [isBusy, setBusy] = useState(false);

  async function start() {
    setBusy(true);
    try {
      const done = await run();
      if (done !== undefined) toast(done);
      onDone?.();
    } catch (error) {
      toast(describeError(error), true);
    } finally {
      setBusy(false);
    }
  }

  return (
    <button
      class={`button ${kind ?? ""}`}
      type="button"
      aria-label={label}
      aria-busy={isBusy}
      disabled={disabled || isBusy}
      onClick={() => void start()}
    >
      {children}
    </button>
  );
}
