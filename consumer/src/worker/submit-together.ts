/**
 * Submits all entries of one event loop turn at once. BullMQ starts the jobs of one reply one after the other, each
 * some promises later; otherwise every batch would be split into one job and the rest.
 */
export function groupByTurn<Entry, Outcome>(
  submit: (entry: Entry) => Promise<Outcome>,
): (entry: Entry) => Promise<Outcome> {
  let waiting: (() => void)[] = [];

  function submitAll() {
    const all = waiting;
    waiting = [];
    for (const submitEntry of all) submitEntry();
  }

  return (entry) =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(submitAll);
      waiting.push(() => resolve(submit(entry)));
    });
}
