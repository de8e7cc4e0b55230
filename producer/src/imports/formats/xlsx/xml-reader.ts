import { SaxesParser } from "saxes";
import { XlsxError } from "./xlsx-error.ts";

/** Names have no prefix. */
export interface XmlHandlers {
  open(name: string, attributes: Readonly<Record<string, string>>): void;
  /** A text may come in several pieces. */
  text?(text: string): void;
  close?(name: string): void;
}

const maxDepth = 50;
/** A tag or text within more bytes is longer than a cell can be. */
const maxTokenBytes = 20_000_000;

/** Parses XML that arrives in slices. Throws if the XML is malformed; entities of a document type are not expanded. */
export function createXmlReader(handlers: XmlHandlers) {
  const parser = new SaxesParser<{ xmlns: false; position: false }>({
    xmlns: false,
    position: false,
  });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let depth = 0;
  let tokenBytes = 0;
  parser.on("error", (error) => {
    throw new XlsxError(`The XML is malformed: ${error.message}.`);
  });
  parser.on("opentag", ({ name, attributes }) => {
    tokenBytes = 0;
    depth += 1;
    if (depth > maxDepth) throw new XlsxError(`The XML is nested deeper than ${maxDepth} levels.`);
    handlers.open(toLocalName(name), attributes);
  });
  parser.on("closetag", ({ name }) => {
    tokenBytes = 0;
    depth -= 1;
    handlers.close?.(toLocalName(name));
  });
  if (handlers.text !== undefined) {
    parser.on("text", (text) => handlers.text?.(text));
    parser.on("cdata", (text) => handlers.text?.(text));
  }
  return {
    write(bytes: Uint8Array): void {
      tokenBytes += bytes.length;
      if (tokenBytes > maxTokenBytes) throw new XlsxError("A text of the workbook is too long.");
      parser.write(decoder.decode(bytes, { stream: true }));
    },
    end(): void {
      parser.write(decoder.decode());
      parser.close();
    },
  };
}

function toLocalName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}
