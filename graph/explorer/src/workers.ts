// The editors' language services, each from a file of its own. Their names are known when this is bundled.
declare const WORKERS: Record<string, string>;

const FOLDER = new URL(".", import.meta.url);

(globalThis as { MonacoEnvironment?: unknown }).MonacoEnvironment = {
  getWorker: (_id: string, label: string) => new Worker(new URL(WORKERS[label] ?? WORKERS.editor, FOLDER)),
};
