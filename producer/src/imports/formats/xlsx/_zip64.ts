import { crc32 } from "node:zlib";

/** Writes a ZIP file as streaming writers do: without sizes in local headers, and with 64-bit numbers in the directory. */
export function _writeZip64(files: Record<string, Uint8Array>): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const add = (part: Buffer) => {
    parts.push(part);
    at += part.length;
  };
  for (const [name, data] of Object.entries(files)) {
    const offset = at;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(8, 6);
    local.writeUInt16LE(name.length, 26);
    add(Buffer.concat([local, Buffer.from(name), data, Buffer.alloc(24)]));
    const entry = Buffer.alloc(46, 0xff);
    entry.writeUInt32LE(0x02014b50);
    entry.fill(0, 4, 16);
    entry.writeUInt32LE(crc32(data), 16);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt16LE(34, 30);
    entry.fill(0, 32, 42);
    // A field of another kind comes first.
    const extra = Buffer.from([0x55, 0x54, 2, 0, 0, 0, 1, 0, 24, 0, ...new Uint8Array(24)]);
    extra.writeBigUInt64LE(BigInt(data.length), 10);
    extra.writeBigUInt64LE(BigInt(data.length), 18);
    extra.writeBigUInt64LE(BigInt(offset), 26);
    directory.push(entry, Buffer.from(name), extra);
  }
  const start = at;
  add(Buffer.concat(directory));
  const end = Buffer.alloc(98, 0xff);
  end.writeUInt32LE(0x06064b50);
  end.writeBigUInt64LE(BigInt(Object.keys(files).length), 32);
  end.writeBigUInt64LE(BigInt(start), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(at), 64);
  end.writeUInt32LE(0x06054b50, 76);
  end.writeUInt16LE(0, 96);
  return Buffer.concat([...parts, end]);
}
