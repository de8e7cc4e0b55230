import { cleanLine } from "./feed-text.ts";

/** Joins the names in an item's author elements; uses email addresses only if there are no names. */
export function joinPersons(raw: readonly (string | undefined)[]): string | null {
  const persons = [...new Set(raw.map(toName).filter((person) => person !== null))];
  const names = persons.filter((person) => !isAddress(person));
  return (names.length > 0 ? names : persons).join(", ") || null;
}

/** Parses the RSS standard `ann@example.org (Ann)`, the common `Ann <ann@example.org>` and Atom's `<name>`. */
function toName(raw: string | undefined): string | null {
  const text = raw?.slice(0, 500);
  const person = cleanLine(/<name>([^<]*)<\/name>/.exec(text ?? "")?.[1] ?? text) ?? "";
  const [, name] = /^\S+ \((.+)\)$/.exec(person) ?? /^(.+?) ?<[^<>\s]+>$/.exec(person) ?? [];
  return cleanLine(
    (name !== undefined && person.includes("@") ? name : person).replace(/^mailto:/i, ""),
  );
}

function isAddress(person: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(person);
}
