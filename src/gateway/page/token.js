// The secret this page was opened with. It comes in the fragment, which no server is sent, leaves
// the address bar at once, and lives as long as the tab, for this origin alone.

const KEY = "telson.token";

/** Takes `#token=…` out of the address bar and keeps it. */
export function takeFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return;
  history.replaceState(null, "", location.pathname);
  if (token) keep(token);
}

/** The token, or null. Whatever was kept for another origin is none. */
export function token() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return kept?.origin === location.origin ? kept.token : null;
  } catch {
    return null;
  }
}

/** Keeps a token for this tab. */
export function keep(token) {
  sessionStorage.setItem(KEY, JSON.stringify({ origin: location.origin, token }));
}

/** Forgets it. */
export function forget() {
  sessionStorage.removeItem(KEY);
}
