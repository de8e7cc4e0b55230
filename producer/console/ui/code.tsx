import { useState } from "preact/hooks";
import { Action } from "./action.tsx";

/**
 * Copies text to the clipboard; without the clipboard API, as on plain HTTP, through a selection. A dialog permits a
 * selection only within itself.
 */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("The browser does not permit copying: select the text.");
}

export function Copy({ text, children }: { text: string; children: string }) {
  const [isCopied, setCopied] = useState(false);
  async function copy() {
    await copyText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
    return undefined;
  }
  return (
    <Action kind="small" run={copy}>
      {isCopied ? "Copied" : children}
    </Action>
  );
}

/** A block of code or JSON that scrolls within its frame. */
export function Code({ text, label }: { text: string; label: string }) {
  return (
    <pre class="code" tabIndex={0} role="region" aria-label={label}>
      <code>{text}</code>
    </pre>
  );
}

export function Json({ value, label }: { value: unknown; label: string }) {
  return <Code label={label} text={JSON.stringify(value, undefined, 2)} />;
}
