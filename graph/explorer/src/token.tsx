// Who asks. The token is kept in memory only: neither the browser's storage nor the address ever holds it.
import { useGraphiQLActions } from "@graphiql/react";
import { useState } from "react";

import { settings } from "./settings";
import { Store } from "./store";

const token = new Store(settings.token ?? "");

/** The authorization of a request: that of the headers editor, else the token's. */
export function authorizationOf(headers: Record<string, unknown> | undefined): string | undefined {
  const given = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === "authorization");
  if (given) return String(given[1]);
  return token.get() ? `Bearer ${token.get()}` : undefined;
}

export function TokenField() {
  const { introspect } = useGraphiQLActions();
  const current = token.use();
  const [draft, setDraft] = useState(current);
  const isDevelopment = current !== "" && current === settings.token;
  const take = () => {
    if (draft.trim() === current) return;
    token.set(draft.trim());
    void introspect();
  };
  return (
    <form
      className="token"
      onSubmit={(event) => {
        event.preventDefault();
        take();
      }}
    >
      <label htmlFor="token">{isDevelopment ? "Token (demo, development)" : "Token"}</label>
      <input
        id="token"
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder="Paste a token or a key"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={take}
      />
    </form>
  );
}
