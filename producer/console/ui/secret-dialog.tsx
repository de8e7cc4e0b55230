import { Code, Copy } from "./code.tsx";
import { Dialog } from "./dialog.tsx";

export interface SecretDialogProps {
  title: string;
  /** What the secret is for. */
  purpose: string;
  label: string;
  secret: string;
  onClose(): void;
}

/** Shows a secret once. */
export function SecretDialog({ title, purpose, label, secret, onClose }: SecretDialogProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>Copy it now: it is shown only once. {purpose}</p>
      <Code label={label} text={secret} />
      <div class="dialog-actions">
        <Copy text={secret}>Copy</Copy>
        <button class="button primary" type="button" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
