export interface Progress {
  /** @param done fraction from 0 to 1 */
  show(done: number, text: string): void;
  end(): void;
}

export interface Output {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

// Leaves room for text on a terminal with 80 columns.
const barWidth = 20;
const plainEveryMs = 1_000;

/** Shows a progress bar on a terminal, otherwise one line per second. */
export function createProgress(output: Output): Progress {
  let shownAt = -Infinity;
  let last = "";

  function show(done: number, text: string) {
    last = `  ${renderBar(done)} ${text}`;
    if (output.isTTY) {
      output.write(`\r${last.slice(0, (output.columns ?? 80) - 1)}\u001b[K`);
    } else if (performance.now() - shownAt >= plainEveryMs) {
      shownAt = performance.now();
      output.write(`${last}\n`);
    }
  }

  function end() {
    output.write(output.isTTY ? "\n" : `${last}\n`);
  }

  return { show, end };
}

function renderBar(done: number): string {
  const filled = Math.round(Math.min(Math.max(done, 0), 1) * barWidth);
  return `[${"#".repeat(filled)}${"-".repeat(barWidth - filled)}]`;
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en");
}
