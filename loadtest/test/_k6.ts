import type { BunPlugin } from "bun";
import type { Options } from "k6/options";

/** Exports of a script that k6 reads. */
export interface Script {
  options: Options & {
    scenarios: Record<string, { exec: string; rate?: number; duration?: string; stages?: Stage[] }>;
  };
}

interface Stage {
  target: number;
  duration: string;
}

/** Stubs of k6's built-in modules, sufficient to load a script. */
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

/** Loads a script like k6 does in its init stage. */
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
