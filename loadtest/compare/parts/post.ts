import { createAcceptPart } from "./accept.ts";

export const post = createAcceptPart({
  kind: "post",
  title: "POST, one job per request",
  connections: ({ connections }) => connections,
  description: ({ connections, bodyBytes }) =>
    `${connections} connections, one request of ${bodyBytes} bytes in flight on each; no consumer runs. Toril answers after the commit to Postgres, bunqueue after its write to SQLite, pg-boss and graphile-worker after their commit, the others after \`queue.add\`.`,
});
