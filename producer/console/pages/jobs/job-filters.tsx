import { useState } from "preact/hooks";
import { navigate, setQuery, to } from "../../app/router.ts";
import type { ServiceDocument } from "../../app/service-document.ts";
import { Select, Text } from "../../ui/fields.tsx";
import { TimeField } from "../../ui/time-field.tsx";

const statuses = ["pending", "completed", "dead", "cancelled", "expired"];
const states = ["waiting", "prioritized", "delayed", "active", "undispatched", "waiting-children"];

export interface JobFiltersProps {
  query: URLSearchParams;
  document: ServiceDocument | undefined;
}

/** The search form of the jobs. A change takes effect at once. */
export function JobFilters({ query, document }: JobFiltersProps) {
  const get = (name: string) => query.get(name) ?? "";
  const [isMore, setMore] = useState(
    ["label", "createdAfter", "createdBefore", "importId", "schedule"].some((name) =>
      query.has(name),
    ) || [...query.keys()].some((name) => name.startsWith("data.")),
  );
  const hasEnded = !["", "pending"].includes(get("status"));
  const field = [...query.keys()].find((name) => name.startsWith("data."))?.slice(5) ?? "";
  const change = (name: string) => (value: string) => setQuery({ [name]: value });
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <JobLookup />
      <Select
        label="Status"
        none="Any"
        value={get("status")}
        options={statuses}
        onChange={(status) =>
          setQuery({ status, ...(status !== "pending" && status !== "" && { state: undefined }) })
        }
      />
      <Select
        label="State"
        none="Any"
        {...(hasEnded && { hint: "Pending jobs only", disabled: get("state") === "" })}
        value={get("state")}
        options={states}
        onChange={change("state")}
      />
      <Select
        label="Type"
        none="Any"
        value={get("type")}
        options={document?.types ?? []}
        onChange={change("type")}
      />
      <Text label="Queue" value={get("queue")} onChange={change("queue")} />
      <Text label="Key" value={get("key")} onChange={change("key")} />
      <button class="button" type="button" aria-expanded={isMore} onClick={() => setMore(!isMore)}>
        {isMore ? "Fewer filters" : "More filters"}
      </button>
      {isMore && (
        <>
          <Text label="Label" value={get("label")} onChange={change("label")} />
          <Text label="Schedule" value={get("schedule")} onChange={change("schedule")} />
          <Text label="Import" value={get("importId")} onChange={change("importId")} />
          <TimeField
            label="Created after"
            value={get("createdAfter")}
            onChange={change("createdAfter")}
          />
          <TimeField
            label="Created before"
            value={get("createdBefore")}
            onChange={change("createdBefore")}
          />
          {document !== undefined && document.searchableFields.length > 0 && (
            <SearchableField
              fields={document.searchableFields}
              field={field}
              value={get(`data.${field}`)}
            />
          )}
        </>
      )}
    </form>
  );
}

/** Opens a job by its ID. */
function JobLookup() {
  return (
    <Text
      label="Job ID"
      value=""
      placeholder="Open by ID"
      type="search"
      onChange={(id) => {
        if (id.trim() !== "") navigate(to(`/jobs/${encodeURIComponent(id.trim())}`));
      }}
    />
  );
}

interface SearchableFieldProps {
  fields: readonly string[];
  field: string;
  value: string;
}

function SearchableField({ fields, field, value }: SearchableFieldProps) {
  const [chosen, setChosen] = useState(field || fields[0] || "");
  const change = (name: string, text: string) =>
    setQuery({ [`data.${field}`]: undefined, [`data.${name}`]: text });
  return (
    <>
      <Select
        label="Field of the data"
        value={chosen}
        options={fields}
        onChange={(name) => {
          setChosen(name);
          if (value !== "") change(name, value);
        }}
      />
      <Text label={`Value of ${chosen}`} value={value} onChange={(text) => change(chosen, text)} />
    </>
  );
}
