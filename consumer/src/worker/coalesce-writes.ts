import type { Redis } from "ioredis";

/**
 * One system call for all commands that are sent in one turn of the event loop. A worker acknowledges what a batch has
 * settled, a hundred jobs at once, and a write for each cost a third of its time.
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
