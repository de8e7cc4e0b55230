import { createHash } from "node:crypto";
import { feedLimits } from "../../api/limits.ts";
import { readMarkup, splitTag, unclosed, type Markup } from "./xml-markup.ts";
import { findRoot } from "./xml-root.ts";

type RepairedXml =
  | { status: "ok"; format: "rss" | "atom" | "rdf"; xml: string }
  | { status: "invalid"; detail: string };

const maxTagLength = 1_000_000;
/** Each character takes about forty bytes once parsed. */
const maxTextLength = 4_000_000;

const itemNames = { rss: "item", rdf: "item", atom: "entry" };

/**
 * Rewrites an untrusted XML feed into XML that feedsmith parses correctly and in linear time: removes comments,
 * processing instructions, the DOCTYPE (thus custom entities) and text around the root, lowercases names, escapes stray
 * `<`. Tags need not match, as in many real feeds. Each non-empty item gets a digest of its markup as `xml:id`, because
 * feedsmith drops items without known elements.
 */
export function repairXml(text: string): RepairedXml {
  const root = findRoot(text);
  if (root.status === "invalid") return root;
  const invalid = (detail: string) => ({ status: "invalid", detail }) as const;
  const out = [root.tag];
  let lengthAtEnd = 0;
  let markup = 0;
  let items = 0;
  /** The current item: the index of its tag in `out`, and the start of its contents in `text`. */
  let item: { at: number; start: number; hasElements: boolean } | undefined;
  let at = root.end;
  for (let start = text.indexOf("<", at); start !== -1; start = text.indexOf("<", at)) {
    const { kind, end } = readMarkup(text, start);
    if (end === -1) return invalid(unclosed(kind));
    const token = text.slice(start, end);
    const isTag = kind === "tag";
    markup += isTag ? token.split("=").length : 1;
    if (markup > feedLimits.values) return invalid("The feed has too many tags.");
    if (isTag && token.length > maxTagLength) return invalid("A tag of the feed is too long.");
    if (start - at > maxTextLength) return invalid("A text of the feed is too long.");
    const name = getName(kind, token, root.format);
    out.push(text.slice(at, start), rewrite(kind, token, name));
    if (localName(name) === itemNames[root.format]) {
      if (kind === "closing tag" && item?.hasElements) {
        out[item.at] = withId(out[item.at] ?? "", toDigest(text.slice(item.start, start)));
      }
      item = isTag ? { at: out.length - 1, start: end, hasElements: false } : undefined;
      if (isTag) items += 1;
      if (items > feedLimits.items) return invalid(tooManyItems);
    } else if (item !== undefined && isTag) {
      item.hasElements = true;
    }
    if (kind === "closing tag" && `</${name}>` === root.closingTag) lengthAtEnd = out.length;
    at = end;
  }
  if (lengthAtEnd === 0) return invalid(`The feed is cut off: ${root.closingTag} is missing.`);
  return { status: "ok", format: root.format, xml: out.slice(0, lengthAtEnd).join("") };
}

export const tooManyItems = `The feed has more than ${feedLimits.items} items.`;

function toDigest(markup: string): string {
  return createHash("sha256").update(markup).digest("hex");
}

function withId(tag: string, id: string): string {
  return tag.replace(/^<[^\s/>]+/, (name) => `${name} xml:id="${id}"`);
}

/** Returns the tag's name after `rename`; empty for other markup. */
function getName(kind: Markup["kind"], token: string, format: string): string {
  if (kind === "tag") return rename(splitTag(token).name, format);
  return kind === "closing tag" ? rename(token.slice(2, -1).trim().toLowerCase(), format) : "";
}

function rewrite(kind: Markup["kind"], token: string, name: string): string {
  if (kind === "CDATA section") return token;
  if (kind === "stray") return "&lt;";
  if (kind === "closing tag") return `</${name}>`;
  return kind === "tag" ? `<${name}${splitTag(token).attributes}>` : "";
}

function localName(name: string): string {
  return name.slice(name.lastIndexOf(":") + 1);
}

/** Renames elements that feedsmith misinterprets. */
function rename(name: string, format: string): string {
  const local = localName(name);
  // feedsmith treats an element with a child `length` as an array of that length.
  if (local === "length") return "x-length";
  // feedsmith looks up each item in the table of contents of RSS 1.0; the items are in order without it.
  if (local === "seq") return "x-seq";
  if (format !== "rss") return name;
  // feedsmith parses persons in quadratic time; a `dc:creator` stays plain text.
  if (name === "author") return "dc:creator";
  return name === "managingeditor" || name === "webmaster" ? `x-${name}` : name;
}
