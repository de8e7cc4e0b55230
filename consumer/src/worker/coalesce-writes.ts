import type { Redis } from "ioredis";

/**
 * Combines all commands of one event loop turn into one system call. A worker acknowledges a settled batch of a hundred
 * jobs at once; separate writes cost a third of its time.
 */
export function coalesceWrites(redis: Redis): void {
  redis.on("connect", () => {
    const { stream } = redis;
    const write = stream.write.bind(stream);
    let isCorked = false;

    function uncork() {
      isCorked = false;
      stream.uncork();
    }

    stream.write = ((...args: Parameters<typeof write>) => {
      if (!isCorked) {
        isCorked = true;
        stream.cork();
        process.nextTick(uncork);
      }
      return write(...args);
    }) as typeof stream.write;
  });
}
