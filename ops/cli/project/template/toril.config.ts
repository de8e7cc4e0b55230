import { defineConfig } from "toril";
import { openContext } from "./context.ts";
import { handleSendEmail, sendEmail } from "./jobs/send-email.ts";

export default defineConfig({
  jobTypes: [sendEmail],
  context: openContext,
  handlers: { "email.send": handleSendEmail },
});
