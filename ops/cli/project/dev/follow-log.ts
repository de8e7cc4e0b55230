import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const everyMs = 200;
const bytesAtOnce = 65_536;

/** Passes the lines that a process appends to its log file to `onLine`, until it is disposed. */
export function followLog(path: string, onLine: (line: string) => void): Disposable {
  const file = openSync(path, "r");
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(bytesAtOnce);
  let position = 0;
  let rest = "";

  function read() {
    while (position < fstatSync(file).size) {
      const length = readSync(file, buffer, 0, buffer.length, position);
      position += length;
      rest += decoder.decode(buffer.subarray(0, length), { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    }
  }

  const timer = setInterval(read, everyMs);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      read();
      closeSync(file);
    },
  };
}
