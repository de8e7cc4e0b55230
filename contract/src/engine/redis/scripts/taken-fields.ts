/** The texts that take.lua returns for a job; undefined for a missing field. */
export type TakenFields = readonly (string | undefined)[];

/**
 * Decodes the MessagePack of take.lua: an array of arrays of texts and `false`.
 * @throws TypeError for other types
 */
export function decodeTakenFields(packed: Buffer): TakenFields[] {
  const reader = { packed, at: 0 };
  const jobs: TakenFields[] = [];
  for (let left = readLength(reader); left > 0; left -= 1) {
    const fields: (string | undefined)[] = [];
    for (let count = readLength(reader); count > 0; count -= 1) fields.push(readText(reader));
    jobs.push(fields);
  }
  return jobs;
}

interface Reader {
  readonly packed: Buffer;
  at: number;
}

/** Reads the header of an array. */
function readLength(reader: Reader): number {
  const type = reader.packed.readUInt8(reader.at);
  reader.at += 1;
  if ((type & 0xf0) === 0x90) return type & 0x0f;
  if (type === 0xdc) return readNumber(reader, 2);
  throw new TypeError(`not an array: ${type}`);
}

function readText(reader: Reader): string | undefined {
  const type = reader.packed.readUInt8(reader.at);
  reader.at += 1;
  if (type === 0xc2) return undefined;
  const length = readTextLength(reader, type);
  const start = reader.at;
  reader.at += length;
  return reader.packed.toString("utf8", start, reader.at);
}

function readTextLength(reader: Reader, type: number): number {
  if ((type & 0xe0) === 0xa0) return type & 0x1f;
  if (type === 0xd9) return readNumber(reader, 1);
  if (type === 0xda) return readNumber(reader, 2);
  if (type === 0xdb) return readNumber(reader, 4);
  throw new TypeError(`not a text: ${type}`);
}

function readNumber(reader: Reader, bytes: number): number {
  const value = reader.packed.readUIntBE(reader.at, bytes);
  reader.at += bytes;
  return value;
}
