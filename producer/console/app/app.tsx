import { useEffect, useRef, useState } from "preact/hooks";
import type { Principal } from "@toril/client";
import { toast, Toasts } from "../ui/toast.tsx";
import {
  client,
  describeError,
  fetchJson,
  onUnauthenticated,
  refreshSession,
  signOut,
} from "./api.ts";
import { Page } from "./pages.tsx";
import { permitsAllOf, SessionContext } from "./session.tsx";
import { Shell } from "./shell.tsx";
import { SignIn, SignInAgain } from "./sign-in.tsx";

type State =
  | { status: "loading" }
  | { status: "signed-out"; reason?: string }
  | { status: "unavailable"; detail: string }
  | SignedIn;

interface SignedIn {
  status: "signed-in";
  principal: Principal;
  version: string;
  /** The session has ended: the page stays as it is, below the sign-in form. */
  hasEnded: boolean;
  /** Counts principals; the page begins anew for the next one. */
  turn: number;
}

export function App() {
  const [state, setState] = useState<State>({ status: "loading" });
  const latest = useRef(state);
  latest.current = state;
  const signIn = useRef<PromiseWithResolvers<void> | undefined>(undefined);

  async function open() {
    try {
      const [principal, { version }] = await Promise.all([
        client.getPrincipal(),
        fetchJson<{ version: string }>("/"),
      ]);
      setState((last) => toSignedIn(last, principal, version));
      signIn.current?.resolve();
      signIn.current = undefined;
    } catch (error) {
      setState((last) =>
        last.status === "signed-out" || (last.status === "signed-in" && last.hasEnded)
          ? last
          : { status: "unavailable", detail: describeError(error) },
      );
    }
  }

  useEffect(() => {
    const forget = onUnauthenticated(() => {
      if (latest.current.status !== "signed-in") {
        setState((last) => (last.status === "signed-out" ? last : { status: "signed-out" }));
        return undefined;
      }
      setState((last) => (last.status === "signed-in" ? { ...last, hasEnded: true } : last));
      signIn.current ??= Promise.withResolvers();
      return signIn.current.promise;
    });
    void open();
    return forget;
  }, []);

  const hasEnded = state.status === "signed-in" && state.hasEnded;
  useEffect(() => {
    if (!hasEnded) return undefined;
    // The person may have signed in in another tab.
    const check = async () => {
      if (await refreshSession().catch(() => false)) await open();
    };
    const listener = () => void check();
    addEventListener("focus", listener);
    return () => removeEventListener("focus", listener);
  }, [hasEnded]);

  async function end() {
    try {
      const signOutUrl = await signOut();
      if (signOutUrl !== undefined) return location.assign(signOutUrl);
      setState({ status: "signed-out", reason: "You are signed out." });
    } catch (error) {
      toast(`The session has not ended: ${describeError(error)}`, true);
    }
  }

  if (state.status === "loading") return <main class="center muted">Loading…</main>;
  if (state.status === "signed-out") {
    return <SignIn reason={state.reason} onSignedIn={() => void open()} />;
  }
  if (state.status === "unavailable") {
    return (
      <main class="center">
        <h1>The service does not respond</h1>
        <p class="muted">{state.detail}</p>
        <button class="button" type="button" onClick={() => void open()}>
          Try again
        </button>
      </main>
    );
  }
  const { principal, version, turn } = state;
  const session = { principal, version, renew: () => void open(), end: () => void end() };
  return (
    <SessionContext.Provider value={session}>
      <Shell key={turn}>
        <Page />
      </Shell>
      <Toasts />
      {hasEnded && <SignInAgain onSignedIn={() => void open()} />}
    </SessionContext.Provider>
  );
}

/** What a page shows, and what was entered there, stays for a principal that may do at least as much as the last one. */
function toSignedIn(last: State, principal: Principal, version: string): SignedIn {
  const shown = { status: "signed-in", principal, version, hasEnded: false } as const;
  if (last.status !== "signed-in") return { ...shown, turn: 0 };
  const isNext = last.hasEnded && !permitsAllOf(principal, last.principal);
  return { ...shown, turn: last.turn + (isNext ? 1 : 0) };
}
