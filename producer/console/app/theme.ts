const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const storageKey = "toril-theme";

export function getTheme(): Theme {
  return themes.find((theme) => theme === readStored()) ?? "system";
}

/** Browsers that block site data throw. */
function readStored(): string | null {
  try {
    return localStorage.getItem(storageKey);
  } catch {
    return null;
  }
}

export function applyTheme(theme: Theme = getTheme()): void {
  try {
    localStorage.setItem(storageKey, theme);
  } catch {
    // The browser stores nothing: the theme lasts until the page is closed.
  }
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function getNextTheme(theme: Theme): Theme {
  return themes[(themes.indexOf(theme) + 1) % themes.length] ?? "system";
}
