import type { BunPlugin } from "bun";
import type { Options } from "k6/options";

/** What k6 sees of a script. */
export interface Script {
  options: Options & {
    scenarios: Record<string, { exec: string; rate?: number; duration?: string; stages?: Stage[] }>;
  };
}

interface Stage {
  target: number;
  duration: string;
}

/** k6's own modules are built into k6; what a script does with them while it is loaded asks for no more than this. */
const ownModules = `
  class Metric { add() {} }
  export { Metric as Counter, Metric as Gauge, Metric as Trend };
  export function check() {}
  export function sleep() {}
  export default {};
`;

const k6: BunPlugin = {
  name: "k6",
  setup(build) {
    build.onResolve({ filter: /^k6(\/.+)?$/ }, ({ path }) => ({ path, namespace: "k6" }));
    build.onLoad({ filter: /./, namespace: "k6" }, () => ({ contents: ownModules, loader: "js" }));
  },
};

/** Loads a script as k6 does before it runs: everything outside its functions. */
export async function loadScript<Exports>(
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Exports> {
  const { outputs } = await Bun.build({
    entrypoints: [path],
    plugins: [k6],
    define: { __ENV: JSON.stringify(env) },
  });
  const code = (await outputs[0]?.text()) ?? "";
  return (await import(`data:text/javascript;base64,${btoa(code)}`)) as Exports;
}
