/**
 * Submits all entries of one event loop turn at once. BullMQ starts the jobs of one reply one after the other, each
 * some promises later; otherwise every batch would be split into one job and the rest.
 */
export function submitTogether<Entry, Outcome>(
  submit: (entry: Entry) => Promise<Outcome>,
): (entry: Entry) => Promise<Outcome> {
  let gathered: (() => void)[] = [];

  function handOn() {
    const all = gathered;
    gathered = [];
    for (const one of all) one();
  }

  return (entry) =>
    new Promise((resolve) => {
      if (gathered.length === 0) setImmediate(handOn);
      gathered.push(() => resolve(submit(entry)));
    });
}
