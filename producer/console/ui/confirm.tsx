import type { ComponentChildren } from "preact";
import { Action } from "./action.tsx";
import { Dialog } from "./dialog.tsx";

export interface ConfirmProps {
  title: string;
  /** What the action does. */
  children: ComponentChildren;
  /** Text of the button that acts. */
  action: string;
  /** Returns what the person reads about the success. */
  run(): Promise<string | undefined>;
  onClose(): void;
  /** Called after the action; the dialog is closed then. */
  onDone?: () => void;
}

/** Asks before an action that cannot be undone. */
export function Confirm({ title, children, action, run, onClose, onDone }: ConfirmProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{children}</p>
      <div class="dialog-actions">
        <button class="button" type="button" onClick={onClose}>
          Cancel
        </button>
        <Action
          kind="danger"
          run={run}
          onDone={() => {
            onClose();
            onDone?.();
          }}
        >
          {action}
        </Action>
      </div>
    </Dialog>
  );
}
