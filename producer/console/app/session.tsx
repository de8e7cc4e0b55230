import { type ComponentChildren, createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Principal } from "@toril/client";

export type Scope = Principal["scopes"][number];

export interface Session {
  principal: Principal;
  version: string;
  /** Reads the principal again: another key began the session. */
  renew(): void;
  /** Leads back to the sign-in form. */
  end(): void;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error("used outside of a session");
  return session;
}

/** Whether the caller has a scope: actions that its key does not permit are not offered. */
export function useCan(): (scope: Scope) => boolean {
  const { principal } = useSession();
  const isRestricted = useRestricted();
  return (scope) => {
    const isShared = scope.startsWith("queues:");
    if (isRestricted && /^(keys|audit):/.test(scope)) return false;
    return principal.scopes.includes(scope) && (!isShared || principal.tenant === "default");
  };
}

/** Whether the caller's key is restricted to queues or job types. */
export function useRestricted(): boolean {
  const { queues, types } = useSession().principal;
  return queues !== null || types !== null;
}

/** Shows an action only if the caller has its scope. */
export function IfCan({ scope, children }: { scope: Scope; children: ComponentChildren }) {
  return useCan()(scope) ? <>{children}</> : null;
}

/** Whether a principal may do everything that another one may. */
export function permitsAllOf(principal: Principal, other: Principal): boolean {
  const includes = (own: readonly string[] | null, others: readonly string[] | null) =>
    own === null || (others?.every((one) => own.includes(one)) ?? false);
  return (
    principal.tenant === other.tenant &&
    includes(principal.scopes, other.scopes) &&
    includes(principal.queues, other.queues) &&
    includes(principal.types, other.types)
  );
}
