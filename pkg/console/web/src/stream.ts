// Streams as the page uses them: shared with the other tabs where the browser can do that.
import { Source, type Told } from './source';

let port: MessagePort | undefined | null;
const listeners = new Map<string, (told: Told) => void>();

function shared(): MessagePort | null {
  if (port !== undefined) return port;
  try {
    port = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'sluice' }).port;
    port.onmessage = (m: MessageEvent<{ url: string; told: Told }>) => listeners.get(m.data.url)?.(m.data.told);
    const say = (what: object) => port?.postMessage(what);
    setInterval(() => say({}), 20_000);
    addEventListener('pagehide', () => say({ end: true }));
    addEventListener('pageshow', (e) => {
      if (e.persisted) for (const url of listeners.keys()) say({ join: url });
    });
  } catch {
    port = null;
  }
  return port;
}

/** Follows a stream until the function that it returns is called. */
export function follow(params: string, tell: (told: Told) => void): () => void {
  const url = new URL(`api/v1/stream${params ? `?${params}` : ''}`, document.baseURI).href, worker = shared();
  if (!worker) {
    const source = new Source(url, tell);
    return () => source.close();
  }
  listeners.set(url, tell);
  worker.postMessage({ join: url });
  return () => {
    listeners.delete(url);
    worker.postMessage({ leave: url });
  };
}
