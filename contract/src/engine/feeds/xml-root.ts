import { readMarkup, splitTag, unclosed } from "./xml-markup.ts";

type XmlRoot =
  | { status: "ok"; format: "rss" | "atom" | "rdf"; tag: string; closingTag: string; end: number }
  | { status: "invalid"; detail: string };

const formats = new Map<string, "rss" | "atom" | "rdf">([
  ["rss", "rss"],
  ["feed", "atom"],
  ["rdf", "rdf"],
]);
/** Comments, processing instructions and the like before the root. */
const maxProlog = 1000;

/** Finds the root element; invalid unless it is the root of a feed. */
export function findRoot(text: string): XmlRoot {
  let start = text.indexOf("<");
  for (let passed = 0; start !== -1 && passed < maxProlog; passed += 1) {
    const { kind, end } = readMarkup(text, start);
    if (end === -1) return { status: "invalid", detail: unclosed(kind) };
    if (kind === "tag") return toRoot(text.slice(start, end), end);
    start = text.indexOf("<", end);
  }
  return { status: "invalid", detail: "The document is neither XML nor JSON." };
}

function toRoot(token: string, end: number): XmlRoot {
  const { name, attributes } = splitTag(token);
  const local = name.slice(name.lastIndexOf(":") + 1);
  if (local === "html") {
    return { status: "invalid", detail: "The document is an HTML page, not a feed." };
  }
  const format = formats.get(local);
  if (format === undefined) {
    return {
      status: "invalid",
      detail: `The document is not a feed: its root is <${name.slice(0, 50)}>.`,
    };
  }
  const tag = `<${name}${knownNamespaces(local, attributes)}>`;
  return { status: "ok", format, tag, closingTag: `</${name}>`, end };
}

/**
 * Removes RSS's default namespace, which is sometimes invalid, and maps RSS 0.90 to the namespace that feedsmith knows.
 */
function knownNamespaces(root: string, attributes: string): string {
  return root === "rss"
    ? attributes.replace(/\sxmlns\s*=\s*(?:"[^"]*"|'[^']*')/i, "")
    : attributes.replace(
        /http:\/\/(?:my|channel)\.netscape\.com\/rdf\/simple\/0\.9\/?/gi,
        "http://purl.org/rss/1.0/",
      );
}
