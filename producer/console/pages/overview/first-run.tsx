import { client } from "../../app/api.ts";
import { navigate, to } from "../../app/router.ts";
import { useServiceDocument } from "../../app/service-document.ts";
import { useCan, useSession } from "../../app/session.tsx";
import { Action } from "../../ui/action.tsx";
import { Code, Copy } from "../../ui/code.tsx";
import { Card } from "../../ui/layout.tsx";
import sample from "../../../../ops/examples/products.csv" with { type: "text" };
import { toCurl } from "../jobs/job-actions.tsx";

const ownType = `export const sendEmail = defineJob({
  type: "email.send",
  queue: "mail",
  data: z.strictObject({ to: z.email(), text: z.string() }),
  result: z.strictObject({ messageId: z.string() }),
});`;

/** The next steps of a service that has no jobs yet. */
export function FirstRun({ onDone }: { onDone(): void }) {
  const { principal } = useSession();
  const can = useCan();
  const document = useServiceDocument();
  const types = document.data?.types ?? [];
  const type = types.includes("echo") ? "echo" : types[0];
  if (document.data === undefined || type === undefined) return null;
  const data = document.data.getDataSchema(type).example ?? {};
  const curl = toCurl({ type, data }, principal.kind !== "open");
  return (
    <section class="first-run" aria-label="First steps">
      <Card title="1. Enqueue a job" actions={<Copy text={curl}>Copy</Copy>}>
        <Code label="curl" text={curl} />
        {can("jobs:enqueue") && (
          <p>
            <a href={to("/jobs/new", { type })}>Or use the form</a>
          </p>
        )}
      </Card>
      <Card title="2. Import a file">
        <p>One job for each row of a CSV file. The sample is a short price list.</p>
        {types.includes("row.import") && can("jobs:enqueue") && (
          <p>
            <Action
              kind="primary"
              run={async () => {
                const created = await client.createImport(sample, {
                  type: "row.import",
                  delimiter: "semicolon",
                });
                onDone();
                navigate(to(`/imports/${created.id}`));
                return `${created.counts.accepted} rows are accepted.`;
              }}
            >
              Import the sample
            </Action>{" "}
            <a href={to("/imports")}>Import your own file</a>
          </p>
        )}
      </Card>
      <Card title="3. Write a job type">
        <Code label="A job type" text={ownType} />
        <p>
          The schema, a handler, and the client have its types: see <code>docs/job-types.md</code>{" "}
          and the <a href="/docs">API reference</a>.
        </p>
      </Card>
    </section>
  );
}
