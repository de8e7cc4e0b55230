import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { describeError } from "../app/api.ts";
import type { Query } from "../app/use-query.ts";

/** The title of a page, with its actions. */
export function PageHead({ title, subject, children, detail }: PageHeadProps) {
  useEffect(() => {
    document.title = [title, subject].filter(Boolean).join(" ") + " · Toril";
  }, [title, subject]);
  return (
    <header class="page-head">
      <div>
        <h1>{title}</h1>
        {detail !== undefined && <p class="muted">{detail}</p>}
      </div>
      <div class="page-actions">{children}</div>
    </header>
  );
}

interface PageHeadProps {
  title: string;
  /** Distinguishes the tabs of pages with the same title. */
  subject?: string;
  detail?: ComponentChildren;
  children?: ComponentChildren;
}

/** Shows the state of a query until it has data, and a failure above the last data. */
export function Loaded<Data>({ query, children }: LoadedProps<Data>) {
  const { data, error, reload } = query;
  return (
    <>
      {error !== undefined && (
        <div class="notice" data-tone="bad" role="alert">
          <p>
            <strong>{data === undefined ? "Could not load." : "Could not refresh."}</strong>{" "}
            {describeError(error)}
          </p>
          <button class="button small" type="button" onClick={reload}>
            Try again
          </button>
        </div>
      )}
      {data === undefined && error === undefined && <Skeleton />}
      {data !== undefined && children(data)}
    </>
  );
}

interface LoadedProps<Data> {
  query: Query<Data>;
  children(data: Data): ComponentChildren;
}

function Skeleton() {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      <span />
      <span />
      <span />
    </div>
  );
}

/** Says what an empty list means, and the next step. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** A table that scrolls within its frame on narrow screens. */
export function Table({ label, head, children }: TableProps) {
  return (
    <section class="table-frame" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((title, index) =>
              title === "" ? (
                <td key={index} />
              ) : (
                <th key={index} scope="col">
                  {title}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

interface TableProps {
  label: string;
  head: readonly string[];
  children: ComponentChildren;
}

export function Card({ title, children, actions }: CardProps) {
  return (
    <section class="card" aria-label={title}>
      <header class="card-head">
        <h2>{title}</h2>
        {actions}
      </header>
      {children}
    </section>
  );
}

interface CardProps {
  title: string;
  actions?: ComponentChildren;
  children: ComponentChildren;
}
