import { readMarkup, splitTag, unclosed, type Markup } from "./xml-markup.ts";
import { findRoot } from "./xml-root.ts";

type TamedXml =
  | { status: "ok"; format: "rss" | "atom" | "rdf"; xml: string }
  | { status: "invalid"; detail: string };

/** Tags, attributes and the like together: parsed, each takes some hundred bytes, and each character of a text some forty. */
const maxMarkup = 1_000_000;
const maxTagLength = 1_000_000;
const maxTextLength = 4_000_000;

/**
 * Rewrites a feed's XML from strangers into what feedsmith reads right and in linear time: without comments, processing
 * instructions, DOCTYPE (thus entities of its own) and what surrounds the root; names in lower case; a `<` that begins
 * nothing escaped. Tags need not match: within the items of real feeds they do not.
 */
export function tameXml(text: string): TamedXml {
  const root = findRoot(text);
  if (root.status === "invalid") return root;
  const out = [root.tag];
  let lengthAtEnd = 0;
  let markup = 0;
  let at = root.end;
  for (let start = text.indexOf("<", at); start !== -1; start = text.indexOf("<", at)) {
    const { kind, end } = readMarkup(text, start);
    if (end === -1) return { status: "invalid", detail: unclosed(kind) };
    const token = text.slice(start, end);
    const isTag = kind === "tag";
    markup += isTag ? token.split("=").length : 1;
    if (markup > maxMarkup) return { status: "invalid", detail: "The feed has too many tags." };
    if (isTag && token.length > maxTagLength)
      return { status: "invalid", detail: "A tag of the feed is too long." };
    if (start - at > maxTextLength)
      return { status: "invalid", detail: "A text of the feed is too long." };
    const rewritten = rewrite(kind, token, root.format);
    out.push(text.slice(at, start), rewritten);
    if (rewritten === root.closingTag) lengthAtEnd = out.length;
    at = end;
  }
  if (lengthAtEnd === 0) {
    return { status: "invalid", detail: `The feed is cut off: ${root.closingTag} is missing.` };
  }
  return { status: "ok", format: root.format, xml: out.slice(0, lengthAtEnd).join("") };
}

function rewrite(kind: Markup["kind"], token: string, format: string): string {
  if (kind === "CDATA section") return token;
  if (kind === "stray") return "&lt;";
  if (kind === "closing tag")
    return `</${rename(token.slice(2, -1).trim().toLowerCase(), format)}>`;
  if (kind !== "tag") return "";
  const { name, attributes } = splitTag(token);
  return `<${rename(name, format)}${attributes}>`;
}

/** Names that feedsmith would stumble over. */
function rename(name: string, format: string): string {
  const local = name.slice(name.lastIndexOf(":") + 1);
  // An element with a child of this name is taken for an array of that many elements.
  if (local === "length") return "x-length";
  // The table of contents of RSS 1.0 is looked up item by item; the items are in order without it.
  if (local === "seq") return "x-seq";
  if (format !== "rss") return name;
  // Persons are taken apart in quadratic time; as `dc:creator` an author stays a text.
  if (name === "author") return "dc:creator";
  return name === "managingeditor" || name === "webmaster" ? `x-${name}` : name;
}
