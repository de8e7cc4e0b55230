import { decodeText } from "./cell-text.ts";
import { XlsxError, xlsxLimits } from "./xlsx-error.ts";
import type { XmlHandlers } from "./xml-reader.ts";

/** Texts of a block are one string: millions of strings would take ten times the memory. */
const blockTexts = 256;

export interface SharedStrings {
  /** Returns undefined if there is no such text. */
  get(index: number): string | undefined;
}

/** Creates the handlers that read the texts that the cells of all sheets share. */
export function createSharedStrings(): { strings: SharedStrings; handlers: XmlHandlers } {
  const { sharedStrings: maxTexts, sharedCharacters: maxCharacters } = xlsxLimits;
  const blocks: string[] = [];
  let block: string[] = [];
  /** The end of each text in its block. */
  let ends = new Uint32Array(1024);
  let count = 0;
  let blockLength = 0;
  let characters = 0;
  let pieces: string[] = [];
  let isInText = false;
  let isPhonetic = false;

  function add(text: string): void {
    if (count === maxTexts) throw new XlsxError(`The workbook has more than ${maxTexts} texts.`);
    if (count === ends.length) {
      const longer = new Uint32Array(2 * ends.length);
      longer.set(ends);
      ends = longer;
    }
    block.push(text);
    blockLength += text.length;
    ends[count] = blockLength;
    count += 1;
    if (count % blockTexts === 0) endBlock();
  }

  function endBlock(): void {
    blocks.push(block.join(""));
    block = [];
    blockLength = 0;
  }

  return {
    strings: {
      get(index) {
        if (block.length > 0) endBlock();
        if (!(Number.isInteger(index) && index >= 0 && index < count)) return undefined;
        const start = index % blockTexts === 0 ? 0 : ends[index - 1];
        return blocks[Math.floor(index / blockTexts)]?.slice(start, ends[index]);
      },
    },
    handlers: {
      open(name) {
        if (name === "si") pieces = [];
        if (name === "rPh") isPhonetic = true;
        isInText = name === "t" && !isPhonetic;
      },
      text(piece) {
        if (!isInText) return;
        pieces.push(piece);
        characters += piece.length;
        if (characters > maxCharacters) {
          throw new XlsxError(`The texts have more than ${maxCharacters} characters.`);
        }
      },
      close(name) {
        if (name === "t") isInText = false;
        if (name === "rPh") isPhonetic = false;
        if (name === "si") add(decodeText(pieces.join("")));
      },
    },
  };
}
