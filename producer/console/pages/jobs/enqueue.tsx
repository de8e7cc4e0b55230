import { useEffect, useState } from "preact/hooks";
import { client } from "../../app/api.ts";
import { navigate, setQuery, to, usePlace } from "../../app/router.ts";
import { type ServiceDocument, useServiceDocument } from "../../app/service-document.ts";
import { useCan, useSession } from "../../app/session.tsx";
import { Action } from "../../ui/action.tsx";
import { Code, Copy } from "../../ui/code.tsx";
import { Select, Text } from "../../ui/fields.tsx";
import { Card, Empty, Loaded, PageHead } from "../../ui/layout.tsx";
import { SchemaForm } from "../../ui/schema-form.tsx";
import { toCurl } from "./job-actions.tsx";

/** Enqueues a job with a form that is generated from the type's schema. */
export function EnqueuePage() {
  const can = useCan();
  const document = useServiceDocument();
  return (
    <>
      <PageHead title="Enqueue a job" detail={<a href={to("/jobs")}>Jobs</a>} />
      {can("jobs:enqueue") ? (
        <Loaded query={document}>{(found) => <EnqueueForm document={found} />}</Loaded>
      ) : (
        <Empty title="Requires the scope jobs:enqueue." />
      )}
    </>
  );
}

function EnqueueForm({ document }: { document: ServiceDocument }) {
  const { query } = usePlace();
  const { principal } = useSession();
  const types = document.types.filter((type) => principal.types?.includes(type) ?? true);
  const type = query.get("type") || types[0] || "";
  const schema = document.getDataSchema(type);
  const [data, setData] = useState<unknown>(schema.example ?? {});
  const [isValid, setValid] = useState(true);
  const [key, setKey] = useState("");
  const [delay, setDelay] = useState("");
  const [priority, setPriority] = useState("");
  useEffect(() => setData(schema.example ?? {}), [type]);

  const request = {
    type,
    data,
    ...(key !== "" && { key }),
    ...(delay !== "" && { delayMs: Math.round(Number(delay) * 1000) }),
    ...(priority !== "" && { priority: Number(priority) }),
  };
  const curl = toCurl(request, principal.kind !== "open");
  return (
    <div class="columns">
      <Card title="Job">
        <Select
          label="Type"
          value={type}
          options={types}
          onChange={(value) => setQuery({ type: value })}
        />
        <SchemaForm
          key={type}
          document={document}
          schema={schema}
          value={data}
          onChange={setData}
          onValid={setValid}
        />
        <details class="more">
          <summary>Options</summary>
          <Text
            label="Key"
            value={key}
            hint="A pending job with the same type and key is returned instead"
            onChange={setKey}
          />
          <Text type="number" label="Delay (seconds)" value={delay} onChange={setDelay} />
          <Text
            type="number"
            label="Priority"
            value={priority}
            hint="1 is the highest"
            onChange={setPriority}
          />
        </details>
        <div class="form-actions">
          <Action
            disabled={!isValid}
            run={async () => {
              const checked = await client.checkJob(request);
              return `The request is valid: the job would go to the queue ${checked.queue}.`;
            }}
          >
            Dry run
          </Action>
          <Action
            kind="primary"
            disabled={!isValid}
            run={async () => {
              const job = await client.createJob(request);
              navigate(to(`/jobs/${job.id}`));
              return job.outcome === "duplicate"
                ? "A pending job with this key already exists."
                : "Enqueued.";
            }}
          >
            Enqueue
          </Action>
        </div>
      </Card>
      <Card title="As curl" actions={<Copy text={curl}>Copy</Copy>}>
        <Code label="curl" text={curl} />
      </Card>
    </div>
  );
}
