import type { ContextTools } from "toril";

export interface Mail {
  to: string;
  subject: string;
  text: string;
  idempotencyKey: string;
}

/** What handlers receive in addition to their data. */
export interface Context {
  /** Sends a mail and resolves to its id. */
  mailer: { send(mail: Mail): Promise<string> };
}

/** Opens what handlers need, once per consumer. */
export async function openContext({ onClose }: ContextTools): Promise<Context> {
  // Replace this with the client of your mail service.
  const mailer: Context["mailer"] = {
    async send({ to, subject, idempotencyKey }) {
      console.log(`mail to ${to}: ${subject}`);
      return `mail-${idempotencyKey}`;
    },
  };
  onClose(() => console.log("the mailer is closed"));
  return { mailer };
}
