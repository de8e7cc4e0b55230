import { createClient } from "@toril/client";
import { sendEmail } from "./jobs/send-email.ts";

const client = createClient({ baseUrl: process.env["TORIL_URL"] ?? "http://127.0.0.1:3000" });

const job = await client.enqueue(sendEmail, {
  to: "ada@example.org",
  subject: "Hello",
  text: "How are you?",
});
console.log(await job.result());
