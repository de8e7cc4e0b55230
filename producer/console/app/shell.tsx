import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Logo } from "./logo.tsx";
import { useNavigation } from "./navigation.ts";
import { to, usePlace } from "./router.ts";
import { useSession } from "./session.tsx";
import { applyTheme, getNextTheme, getTheme } from "./theme.ts";

/** The frame of every page: navigation, account and theme. */
export function Shell({ children }: { children: ComponentChildren }) {
  const { path } = usePlace();
  const { principal, version, end } = useSession();
  const groups = useNavigation();
  const [isOpen, setOpen] = useState(false);
  const [theme, setTheme] = useState(getTheme);
  useEffect(() => setOpen(false), [path]);

  function changeTheme() {
    const next = getNextTheme(theme);
    applyTheme(next);
    setTheme(next);
  }

  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="sidebar" data-open={isOpen}>
        <div class="brand">
          <a href={to("/")}>
            <Logo />
            <span>Toril</span>
          </a>
          <button
            class="button menu-button"
            type="button"
            aria-expanded={isOpen}
            aria-controls="navigation"
            onClick={() => setOpen(!isOpen)}
          >
            Menu
          </button>
        </div>
        <div class="sidebar-body" id="navigation">
          <nav aria-label="Main">
            {groups.map(({ title, items }) => (
              <section key={title} aria-label={title}>
                <p class="nav-title" aria-hidden="true">
                  {title}
                </p>
                <ul>
                  {items.map((item) => (
                    <li key={item.path}>
                      <a
                        href={to(item.path)}
                        aria-current={isCurrent(path, item.path) ? "page" : undefined}
                      >
                        {item.title}
                      </a>
                    </li>
                  ))}
                </ul>
              </section>
            ))}
          </nav>
          <footer class="account">
            <p class="account-name" title={principal.id}>
              {principal.kind === "open" ? "No sign-in required" : principal.name}
              {principal.tenant !== "default" && <span class="muted"> · {principal.tenant}</span>}
            </p>
            <div class="account-links">
              <a href="/docs">API reference</a>
              <button class="link" type="button" onClick={changeTheme}>
                Theme: {theme}
              </button>
              {principal.kind !== "open" && (
                <button class="link" type="button" onClick={end}>
                  Sign out
                </button>
              )}
              <span class="muted">Version {version}</span>
            </div>
          </footer>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function isCurrent(path: string, item: string) {
  return item === "/" ? path === "" : path === item || path.startsWith(`${item}/`);
}
