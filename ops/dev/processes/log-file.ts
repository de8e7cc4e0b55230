import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
} from "node:fs";
import { dirname } from "node:path";

/** Opens a new log file and keeps the previous one as `.old`. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) renameSync(path, `${path}.old`);
  return openSync(path, "a");
}

const tailBytes = 4096;

export function readTail(path: string): string {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString().trimEnd().split("\n").slice(-20);
    return lines.map((line) => `  | ${line}`).join("\n");
  } finally {
    closeSync(file);
  }
}
