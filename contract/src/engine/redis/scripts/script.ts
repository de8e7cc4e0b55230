/** The subset of an ioredis client (single or Cluster) that running scripts uses. */
export interface ScriptRedis {
  evalsha(sha1: string, keyCount: number, keysAndArguments: string[]): Promise<unknown>;
  eval(script: string, keyCount: number, keysAndArguments: string[]): Promise<unknown>;
}

/** As `ScriptRedis`, for scripts that return binary texts. */
export interface BufferScriptRedis {
  callBuffer(command: string, args: (string | number)[]): Promise<unknown>;
}

export type Script = (keys: readonly string[], args: readonly string[]) => Promise<unknown>;

/** Creates a function that runs a script by its hash, and by its text if Redis has not cached the script. */
export function createScript(redis: ScriptRedis, script: string): Script {
  return createCachedScript(script, {
    evalsha: (...args) => redis.evalsha(...args),
    eval: (...args) => redis.eval(...args),
  });
}

/** As `createScript`; the texts of the reply are Buffers. */
export function createBufferScript(redis: BufferScriptRedis, script: string): Script {
  return createCachedScript(script, {
    evalsha: (sha1, count, all) => redis.callBuffer("evalsha", [sha1, count, ...all]),
    eval: (text, count, all) => redis.callBuffer("eval", [text, count, ...all]),
  });
}

function createCachedScript(script: string, redis: ScriptRedis): Script {
  const sha1 = sha1Of(script);
  return async (keys, args) => {
    const all = [...keys, ...args];
    try {
      return await redis.evalsha(await sha1, keys.length, all);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return await redis.eval(script, keys.length, all);
    }
  };
}

async function sha1Of(text: string) {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
