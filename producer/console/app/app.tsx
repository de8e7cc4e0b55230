import { useEffect, useState } from "preact/hooks";
import type { Principal } from "@toril/client";
import { toast, Toasts } from "../ui/toast.tsx";
import { client, describeError, fetchJson, onUnauthenticated, signOut } from "./api.ts";
import { Page } from "./pages.tsx";
import { SessionContext } from "./session.tsx";
import { Shell } from "./shell.tsx";
import { SignIn } from "./sign-in.tsx";

type State =
  | { status: "loading" }
  | { status: "signed-out"; reason?: string }
  | { status: "unavailable"; detail: string }
  | { status: "signed-in"; principal: Principal; version: string };

export function App() {
  const [state, setState] = useState<State>({ status: "loading" });

  async function open() {
    try {
      const [principal, { version }] = await Promise.all([
        client.getPrincipal(),
        fetchJson<{ version: string }>("/"),
      ]);
      setState({ status: "signed-in", principal, version });
    } catch (error) {
      setState((last) =>
        last.status === "signed-out"
          ? last
          : { status: "unavailable", detail: describeError(error) },
      );
    }
  }

  useEffect(() => {
    const forget = onUnauthenticated(() =>
      setState((last) =>
        last.status === "signed-in"
          ? { status: "signed-out", reason: "Your session has ended: sign in again to continue." }
          : { status: "signed-out", ...(last.status === "signed-out" ? last : {}) },
      ),
    );
    void open();
    return forget;
  }, []);

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
  const { principal, version } = state;
  const session = { principal, version, renew: () => void open(), end: () => void end() };
  return (
    <SessionContext.Provider value={session}>
      <Shell>
        <Page />
      </Shell>
      <Toasts />
    </SessionContext.Provider>
  );
}
