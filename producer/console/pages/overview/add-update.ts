import type { Overview } from "@toril/client";

/** Adds an update of the stream, which has the latest slots only, to the overview that was shown before. */
export function addUpdate(last: Overview | undefined, update: Overview): Overview {
  const first = update.slots[0]?.at;
  if (last === undefined || first === undefined) return update;
  const kept = last.slots.filter(({ at }) => at < first);
  return { ...update, slots: [...kept, ...update.slots].slice(-last.slots.length) };
}
