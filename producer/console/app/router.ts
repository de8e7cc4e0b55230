import { useEffect, useState } from "preact/hooks";

const base = "/console";

export interface Place {
  /** Path below the console, without a trailing slash: `/jobs`. */
  path: string;
  query: URLSearchParams;
}

const listeners = new Set<() => void>();

function readPlace(): Place {
  const path = decodePath(location.pathname).slice(base.length).replace(/\/+$/, "");
  return { path, query: new URLSearchParams(location.search) };
}

/** Decodes a path; one that is malformed stays as it is, and matches no page. */
function decodePath(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

function notify() {
  for (const listener of listeners) listener();
}

/** Follows links within the console without loading the document again. */
export function startRouter(): void {
  addEventListener("popstate", notify);
  document.addEventListener("click", (event) => {
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey);
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!isPlain || event.defaultPrevented || link === null || link.target !== "") return;
    const { origin, pathname, search, hash } = new URL(link.href);
    if (origin !== location.origin || !(pathname + "/").startsWith(`${base}/`)) return;
    // The browser scrolls to a part of the page, and moves the focus there.
    if (hash !== "" && pathname === location.pathname && search === location.search) return;
    event.preventDefault();
    navigate(link.href);
  });
}

export function navigate(href: string, { replace = false } = {}): void {
  const isSamePage = new URL(href, location.href).pathname === location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", href);
  if (!isSamePage) scrollTo(0, 0);
  notify();
}

/** Changes parameters of the query; undefined or "" removes one. */
export function setQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  navigate(url.href, { replace: true });
}

export function usePlace(): Place {
  const [place, setPlace] = useState(readPlace);
  useEffect(() => {
    const update = () => setPlace(readPlace());
    listeners.add(update);
    return () => void listeners.delete(update);
  }, []);
  return place;
}

/** Returns the address of a page of the console. */
export function to(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") params.set(name, value);
  }
  const search = params.toString();
  return `${base}${path === "/" ? "" : path}${search === "" ? "" : `?${search}`}`;
}
