/**
 * Hands on at once what is submitted within one turn of the event loop. BullMQ starts the jobs that one reply brought
 * one after the other, each some promises later than the one before: without this, every batch would be one job and
 * the rest.
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
