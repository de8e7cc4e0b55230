import { useEffect, useState } from "preact/hooks";
import { usePlace } from "../app/router.ts";

interface Toast {
  id: number;
  text: string;
  isError: boolean;
}

let show: (text: string, isError?: boolean) => void = () => {};

/** Shows a message for a few seconds; errors stay until they are dismissed, or another page is shown. */
export function toast(text: string, isError = false): void {
  show(text, isError);
}

export function Toasts() {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const remove = (id: number) => setToasts((all) => all.filter((one) => one.id !== id));
  useEffect(() => {
    let count = 0;
    show = (text, isError = false) => {
      const id = ++count;
      setToasts((all) => [
        ...all.filter((one) => one.text !== text).slice(-3),
        { id, text, isError },
      ]);
      if (!isError) setTimeout(() => remove(id), 5000);
    };
  }, []);
  const { path } = usePlace();
  useEffect(() => setToasts((all) => all.filter(({ isError }) => !isError)), [path]);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map(({ id, text, isError }) => (
        <div key={id} class="toast" data-tone={isError ? "bad" : "good"}>
          <span>{text}</span>
          <button class="link" type="button" aria-label="Dismiss" onClick={() => remove(id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
