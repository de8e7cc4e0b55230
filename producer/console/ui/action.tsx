import { type ComponentChildren, createContext } from "preact";
import { useContext, useState } from "preact/hooks";
import { describeError } from "../app/api.ts";
import { toast } from "./toast.tsx";

/** Shows the errors of actions in a dialog, which makes the rest of the page inert; undefined shows none. */
export const ReportContext = createContext<((error: unknown) => void) | undefined>(undefined);

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
  const report = useContext(ReportContext);

  async function start() {
    setBusy(true);
    report?.(undefined);
    try {
      const done = await run();
      if (done !== undefined) toast(done);
      onDone?.();
    } catch (error) {
      if (report !== undefined) report(error);
      else toast(describeError(error), true);
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
