/** How many may listen at once, with requests that wait and streams together. */
export interface Places {
  readonly taken: number;
  /** @returns whether there was one left */
  take(): boolean;
  giveBack(): void;
}

export function createPlaces(max: number): Places {
  let taken = 0;
  return {
    get taken() {
      return taken;
    },
    take() {
      if (taken >= max) return false;
      taken += 1;
      return true;
    },
    giveBack() {
      taken -= 1;
    },
  };
}
