import { useEffect, useRef, useState } from "preact/hooks";
import { describeError, getSignInOptions, signIn, type SignInOptions } from "./api.ts";
import { Logo } from "./logo.tsx";

export interface SignInProps {
  /** Why the form is shown, if a session ended. */
  reason: string | undefined;
  /** The page behind the form must stay: the issuer's pages open in another tab. */
  keepsPage?: boolean;
  onSignedIn(): void;
}

/** Covers a page whose session has ended with the sign-in form; what was entered on the page stays. */
export function SignInAgain({ onSignedIn }: Pick<SignInProps, "onSignedIn">) {
  const ref = useRef<HTMLDialogElement>(null);
  const show = () => ref.current?.showModal();
  useEffect(() => {
    const dialog = ref.current;
    show();
    // Gives the focus back to where it was.
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      class="sign-in-again"
      aria-label="Sign in"
      onCancel={(event) => event.preventDefault()}
      // Browsers close a dialog when Escape is pressed twice.
      onClose={show}
    >
      <SignIn
        reason="Your session has ended: sign in again to continue."
        keepsPage
        onSignedIn={onSignedIn}
      />
    </dialog>
  );
}

export function SignIn({ reason, keepsPage = false, onSignedIn }: SignInProps) {
  const [key, setKey] = useState("");
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const [oidc, setOidc] = useState<SignInOptions["oidc"]>(null);
  useEffect(() => {
    // The form for keys works without the options.
    getSignInOptions().then(
      (options) => {
        setOidc(options.oidc);
        if (options.error !== null) setError(options.error);
      },
      () => {},
    );
  }, []);

  async function submit(event: Event) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await signIn(key.trim());
      onSignedIn();
    } catch (failure) {
      setError(describeError(failure));
    } finally {
      setBusy(false);
    }
  }

  const Frame = keepsPage ? "div" : "main";
  return (
    <Frame class="sign-in">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <Logo />
        <h1>Sign in to Toril</h1>
        <p class="muted">{reason ?? "The service requires an API key or an access token."}</p>
        <label class="field">
          <span>API key</span>
          <input
            type="password"
            name="key"
            autocomplete="current-password"
            placeholder="toril_…"
            required
            spellcheck={false}
            value={key}
            aria-invalid={error !== undefined}
            aria-describedby={error === undefined ? undefined : "sign-in-error"}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        {error !== undefined && (
          <p id="sign-in-error" class="error-text" role="alert">
            {error}
          </p>
        )}
        <button class="button primary wide" type="submit" disabled={isBusy || key.trim() === ""}>
          {isBusy ? "Signing in…" : "Sign in"}
        </button>
        {oidc !== null && (
          <a
            class="button wide"
            // Not a page of the console: the browser must load it.
            target={keepsPage ? "_blank" : "_self"}
            rel="noopener"
            href={`${oidc.url}?to=${encodeURIComponent(location.pathname + location.search)}`}
          >
            Sign in with {oidc.issuer}
          </a>
        )}
        <p class="hint">
          Create a key: <code>toril keys create --name me --scopes all:read</code>. The session ends
          after 12 hours.
        </p>
      </form>
    </Frame>
  );
}
