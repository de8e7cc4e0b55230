import { basename } from "node:path";
import { watch } from "chokidar";

/** An editor writes several files at once. */
const settleMs = 100;

export interface FileWatcher extends AsyncDisposable {
  /** Waits for a change after this call; resolves to the path. */
  nextChange(): Promise<string>;
}

/** Watches the files of a project, except for dependencies, hidden files and build output. */
export async function watchFiles(directory: string, dataDir: string): Promise<FileWatcher> {
  const isIgnored = (path: string) =>
    path !== directory && (path === dataDir || /^(\.|node_modules$|dist$)/.test(basename(path)));
  const watcher = watch(directory, { ignored: isIgnored, ignoreInitial: true });
  let listeners: ((path: string) => void)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  watcher.on("all", (_, path) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const called = listeners;
      listeners = [];
      for (const listener of called) listener(path);
    }, settleMs);
  });
  await new Promise<void>((resolve) => watcher.once("ready", resolve));
  return {
    nextChange: () => new Promise((resolve) => listeners.push(resolve)),
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await watcher.close();
    },
  };
}
