import { describeError, getExitCode } from "./output/exit-codes.ts";
import { run } from "./run.ts";
import type { CommandContext } from "./command.ts";
import { shippedRegistry } from "../../contract/test/_job-types.ts";

export interface _Ran {
  code: number;
  output: string;
  errors: string;
  /** The output, parsed as JSON. */
  json: unknown;
}

/**
 * Runs a command in this process, as main.ts does.
 * @param args the words of the command; a text is split at spaces
 * @param input standard input
 */
export async function _runCommand(
  args: string | readonly string[],
  {
    input = "",
    ...overrides
  }: Partial<CommandContext> & { input?: string | Uint8Array<ArrayBuffer> } = {},
): Promise<_Ran> {
  const output: string[] = [];
  const errors: string[] = [];
  const write = (text: string) => errors.push(text);
  const context: CommandContext = {
    print: (line) => output.push(line),
    inform: (line) => errors.push(line),
    stdout: { write },
    stderr: { write },
    openInput: () => new Blob([input]).stream(),
    signal: new AbortController().signal,
    env: { HOME: "/nonexistent" },
    directory: "/nonexistent",
    withLedger: () => Promise.reject(new Error("the ledger was used")),
    user: "tester",
    loadJobTypes: async () => shippedRegistry,
    ...overrides,
  };
  const words = typeof args === "string" ? args.split(" ").filter(Boolean) : args;
  const toRan = (code: number): _Ran => ({
    code,
    output: output.join("\n"),
    errors: errors.join("\n"),
    get json() {
      return JSON.parse(output.join("\n")) as unknown;
    },
  });
  try {
    return toRan(await run(words, context));
  } catch (error) {
    const message = describeError(error);
    if (message === undefined) throw error;
    errors.push(message);
    return toRan(getExitCode(error));
  }
}
