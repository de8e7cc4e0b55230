import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ReportContext } from "./action.tsx";
import { ProblemNotice } from "./problem-notice.tsx";

export interface DialogProps {
  title: string;
  children: ComponentChildren;
  onClose(): void;
}

/** A modal dialog with the errors of its actions; the browser keeps the focus within it, and Escape closes it. */
export function Dialog({ title, children, onClose }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const opener = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  useEffect(() => {
    if (error !== undefined) ref.current?.lastElementChild?.scrollIntoView({ block: "nearest" });
  }, [error]);
  return (
    <dialog ref={ref} aria-label={title} onClose={onClose}>
      <header class="dialog-head">
        <h2>{title}</h2>
        <button class="link" type="button" aria-label="Close" onClick={onClose}>
          ×
        </button>
      </header>
      <ReportContext.Provider value={setError}>{children}</ReportContext.Provider>
      <ProblemNotice error={error} />
    </dialog>
  );
}
