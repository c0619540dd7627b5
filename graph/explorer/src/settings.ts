// What the server says to this page: see page.py.
interface Settings {
  endpoint: string;
  /** The development token; null where the server gives none. */
  token: string | null;
}

export const settings: Settings = JSON.parse(document.getElementById("settings")!.textContent!);
