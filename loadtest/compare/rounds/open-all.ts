import type { Bench } from "../part.ts";
import type { RequestKind } from "../requests.ts";
import { getTarget, type TargetName } from "../targets/index.ts";
import type { Target } from "../targets/open-target.ts";

export interface OpenTargets extends AsyncDisposable {
  all: Target[];
}

export interface WantedTargets {
  kind: RequestKind;
  consumers?: number;
  /** Leaves out targets that have the consumer of another one. */
  ownConsumer?: boolean;
}

/** Opens the chosen targets that support a kind of request. */
export async function openTargets(bench: Bench, wanted: WantedTargets): Promise<OpenTargets> {
  await using opening = new AsyncDisposableStack();
  const all: Target[] = [];
  for (const name of selectTargets(bench.options.targets, wanted)) {
    const target = opening.use(await bench.open(name));
    // A consumer would process what an earlier part left.
    await target.jobs.empty(false);
    await target.startConsumers(wanted.consumers ?? 0);
    all.push(target);
  }
  const opened = opening.move();
  return { all, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

export function selectTargets(
  names: readonly TargetName[],
  { kind, ownConsumer = false }: WantedTargets,
): TargetName[] {
  return names.filter((name) => {
    const { requests, hasConsumer } = getTarget(name);
    return requests[kind] !== undefined && (hasConsumer || !ownConsumer);
  });
}
