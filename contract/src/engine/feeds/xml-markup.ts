export interface Markup {
  kind:
    | "comment"
    | "CDATA section"
    | "processing instruction"
    | "declaration"
    | "closing tag"
    | "tag"
    | "stray";
  /** The index after the markup; -1 if the markup is not closed. */
  end: number;
}

/** Reads the markup that begins with the `<` at `start`; `stray` if the `<` begins no markup. */
export function readMarkup(text: string, start: number): Markup {
  if (text.startsWith("<!--", start))
    return { kind: "comment", end: after(text, "-->", start + 4) };
  if (text.startsWith("<![CDATA[", start))
    return { kind: "CDATA section", end: after(text, "]]>", start) };
  if (text.startsWith("<?", start))
    return { kind: "processing instruction", end: after(text, "?>", start) };
  if (text.startsWith("<!", start))
    return { kind: "declaration", end: endOfDeclaration(text, start) };
  const isClosing = text[start + 1] === "/";
  if (!/[\p{L}_:]/u.test(text.charAt(isClosing ? start + 2 : start + 1))) {
    return { kind: "stray", end: start + 1 };
  }
  return readTag(text, start, isClosing);
}

function after(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at === -1 ? -1 : at + what.length;
}

/** A `>` within quotes does not end a tag; a `<` outside quotes means that the first `<` was stray. */
function readTag(text: string, start: number, isClosing: boolean): Markup {
  const kind = isClosing ? "closing tag" : "tag";
  const special = isClosing ? /[<>]/g : /[<>"']/g;
  special.lastIndex = start + 1;
  for (let match = special.exec(text); match; match = special.exec(text)) {
    const [character] = match;
    if (character === ">") return { kind, end: special.lastIndex };
    if (character === "<") return { kind: "stray", end: start + 1 };
    const end = after(text, character, special.lastIndex);
    if (end === -1) break;
    special.lastIndex = end;
  }
  return { kind, end: -1 };
}

/** A DOCTYPE may contain declarations in brackets. */
function endOfDeclaration(text: string, start: number): number {
  const special = /[[\]>"']|<!--/g;
  special.lastIndex = start + 2;
  let depth = 0;
  for (let match = special.exec(text); match; match = special.exec(text)) {
    const [found] = match;
    if (found === ">" && depth === 0) return special.lastIndex;
    if (found === "[") depth += 1;
    else if (found === "]") depth -= 1;
    else if (found !== ">") {
      const end = after(text, found === "<!--" ? "-->" : found, special.lastIndex);
      if (end === -1) return -1;
      special.lastIndex = end;
    }
  }
  return -1;
}

/**
 * Splits a tag into its lowercase name and its `attributes`, including the leading space and the slash of an empty
 * element.
 */
export function splitTag(tag: string): { name: string; attributes: string } {
  const [whole, name = ""] = /^<([^\s/>"'=]+)/.exec(tag) ?? [""];
  const rest = tag.slice(whole.length, -1).replaceAll("<", "&lt;");
  return { name: name.toLowerCase(), attributes: /^[^\s/]/.test(rest) ? ` ${rest}` : rest };
}

/** Describes unclosed markup for the caller. */
export function unclosed(kind: Markup["kind"]): string {
  return `The document ends within a ${kind}.`;
}
