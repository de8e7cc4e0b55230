/** Called for each complete row; `end` is the offset of its line break. Returns false to stop the scan. */
type OnRow = (start: number, end: number, hasQuotes: boolean) => boolean;

/**
 * Finds the ends of rows. A quote opens a field at the beginning of the field only, and a doubled quote does not close
 * it; any other quote is a character like others, so that a stray quote ends with its row.
 */
export function createRowScanner(delimiter: string) {
  /** Length of the incomplete row that was scanned already, and the state at its end. */
  let scanned = 0;
  let isInQuotes = false;
  let hasQuotes = false;

  return {
    get isInQuotes() {
      return isInQuotes;
    },
    get hasQuotes() {
      return hasQuotes;
    },
    /**
     * Scans text that begins with the incomplete row of the previous call. Returns where the incomplete row begins.
     * @param isEnd whether no text follows: a carriage return or a quote at the end then stands alone
     */
    scan(text: string, isEnd: boolean, onRow: OnRow): number {
      let start = 0;
      let at = scanned;
      let [lineFeed, carriageReturn, quote] = [-1, -1, -1];
      for (;;) {
        if (isInQuotes) {
          const closing = findClosingQuote(text, at);
          if (closing === -1) at = text.length;
          else if (closing === text.length - 1 && !isEnd) at = closing;
          else {
            isInQuotes = false;
            at = closing + 1;
            continue;
          }
          break;
        }
        lineFeed = find(text, "\n", at, lineFeed);
        carriageReturn = find(text, "\r", at, carriageReturn);
        quote = find(text, '"', at, quote);
        const end = Math.min(lineFeed, carriageReturn);
        if (quote < end) {
          hasQuotes = true;
          isInQuotes = quote === start || text[quote - 1] === delimiter;
          at = quote + 1;
          continue;
        }
        at = Math.min(end, text.length);
        if (at === text.length || (end === text.length - 1 && text[end] === "\r" && !isEnd)) break;
        const next = end === carriageReturn && lineFeed === end + 1 ? end + 2 : end + 1;
        const goesOn = onRow(start, end, hasQuotes);
        hasQuotes = false;
        start = next;
        at = next;
        if (!goesOn) break;
      }
      scanned = at - start;
      return start;
    },
  };
}

const none = Number.POSITIVE_INFINITY;

/** Returns the offset of a character from `from` on. @param known an earlier result for the same text, or -1 */
function find(text: string, character: string, from: number, known: number): number {
  if (known >= from) return known;
  const at = text.indexOf(character, from);
  return at === -1 ? none : at;
}

/** Returns the offset of the quote that closes a field, or -1. */
export function findClosingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at !== -1 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}
