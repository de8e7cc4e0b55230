import { UserError } from "./user-error.ts";

interface Program<Options> {
  usage: string;
  /** Returns undefined if the usage was asked for; throws if the arguments are invalid. */
  parse(args: string[]): Options | undefined;
  /** Returns whether the program succeeded. */
  run(options: Options, stop: AbortController): Promise<boolean>;
}

/** Runs a program with the arguments of this process, and sets the exit code. Signals that end it abort `stop`. */
export async function runProgram<Options>(program: Program<Options>): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => stop.abort(new UserError(`stopped by ${name}`)));
  }
  try {
    const options = parseArguments(program);
    if (options === undefined) process.stdout.write(program.usage);
    else if (!(await program.run(options, stop))) process.exitCode = 1;
  } catch (error) {
    const reason: unknown = stop.signal.aborted ? stop.signal.reason : error;
    console.error(reason instanceof UserError ? reason.message : reason);
    process.exitCode = 1;
  }
}

function parseArguments<Options>({ parse }: Program<Options>): Options | undefined {
  try {
    return parse(process.argv.slice(2));
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
