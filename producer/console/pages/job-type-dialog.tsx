import { useState } from "preact/hooks";
import { type JobTypeDescription, type JobTypeRegistration, TorilError } from "@toril/client";
import { client } from "../app/api.ts";
import { forgetServiceDocument } from "../app/service-document.ts";
import { Action } from "../ui/action.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field, NewName, Select, Text } from "../ui/fields.tsx";

export interface JobTypeDialogProps {
  /** Undefined: a new type. */
  jobType: JobTypeDescription | undefined;
  onClose(): void;
  /** The secret signs the requests to a new push endpoint. */
  onDone(signingSecret: string | undefined): void;
}

const workers = ["pull", "push", "bullmq"];
const newSchema = {
  type: "object",
  properties: { to: { type: "string", format: "email" } },
  required: ["to"],
  additionalProperties: false,
};

/** Registers a job type at run time, or changes one. */
export function JobTypeDialog({ jobType, onClose, onDone }: JobTypeDialogProps) {
  const { data, worker: oldWorker, queue: oldQueue, ...more } = toRegistration(jobType);
  const [name, setName] = useState(jobType?.type ?? "");
  const [worker, setWorker] = useState<string>(oldWorker ?? "pull");
  const [queue, setQueue] = useState(oldQueue ?? "");
  const [schema, setSchema] = useState(toText(data ?? newSchema));
  const [options, setOptions] = useState(toText(more));
  const [isBreaking, setBreaking] = useState(false);

  async function save(force: boolean) {
    const registration = {
      ...parseJson("Further options", options),
      data: parseJson("Schema of the data", schema),
      worker,
      ...(queue !== "" && { queue }),
    } as JobTypeRegistration;
    const storing = client.putJobType(name, registration, {
      force,
      ...(jobType && { ifVersion: jobType.version }),
    });
    setBreaking(await storing.then(() => false, isBreakingChange));
    const { signingSecret } = await storing;
    forgetServiceDocument();
    onDone(signingSecret);
    return `The job type ${name} is registered; every producer uses it within 2 s.`;
  }

  return (
    <Dialog
      title={jobType === undefined ? "Register a job type" : `Edit ${jobType.type}`}
      onClose={onClose}
    >
      <div class="form">
        {jobType === undefined && <NewName value={name} onChange={setName} />}
        <div class="form-row">
          <Select label="Worker" value={worker} options={workers} onChange={setWorker} />
          <Text label="Queue" hint="Empty: named like the type" value={queue} onChange={setQueue} />
        </div>
        <TextArea label="Schema of the data" value={schema} onChange={setSchema}>
          JSON Schema (2020-12)
        </TextArea>
        <TextArea label="Further options" value={options} onChange={setOptions}>
          JSON: description, result, attempts, backoff, timeoutMs, keyPolicy, rateLimit, searchable,
          secret, push
        </TextArea>
      </div>
      <div class="dialog-actions">
        {isBreaking && (
          <Action kind="danger" run={() => save(true)}>
            Change it although jobs break
          </Action>
        )}
        <Action kind="primary" run={() => save(false)}>
          Save
        </Action>
      </div>
    </Dialog>
  );
}

function isBreakingChange(error: unknown): boolean {
  return error instanceof TorilError && error.problem.type.endsWith(":breaking-change");
}

interface TextAreaProps {
  label: string;
  value: string;
  children: string;
  onChange(value: string): void;
}

function TextArea({ label, value, children, onChange }: TextAreaProps) {
  return (
    <Field label={label} hint={children}>
      <textarea
        class="mono"
        rows={Math.min(Math.max(value.split("\n").length, 3), 16)}
        value={value}
        spellcheck={false}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </Field>
  );
}

function toText(value: object): string {
  return JSON.stringify(value, undefined, 2);
}

function parseJson(label: string, text: string): object {
  try {
    return JSON.parse(text.trim() === "" ? "{}" : text) as object;
  } catch (error) {
    throw new Error(`${label}: ${String(error)}`, { cause: error });
  }
}

/** Returns what registered the type: its description without what the service adds. */
function toRegistration(jobType: JobTypeDescription | undefined): Partial<JobTypeRegistration> {
  if (jobType === undefined) return {};
  const { type: _, source: _source, version: _version, createdAt: _created, ...rest } = jobType;
  const { updatedAt: _updated, signingSecret: _secret, ...settings } = rest;
  const isSet = ([, value]: [string, unknown]) =>
    value !== null && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(settings).filter(isSet));
}
