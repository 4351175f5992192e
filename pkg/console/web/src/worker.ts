// Shares streams among tabs: a browser opens six connections to a host at most, and each stream takes one of them.
import { Source, type Told } from './source';

interface Shared { source: Source; tabs: Set<MessagePort>; up: boolean | undefined; last: Told | undefined }

const streams = new Map<string, Shared>();
const seen = new Map<MessagePort, number>();
const forgotten = 180_000; // hidden tabs may say something once a minute only

function leave(tab: MessagePort, url?: string): void {
  for (const [address, s] of streams) {
    if (url !== undefined && url !== address) continue;
    s.tabs.delete(tab);
    if (s.tabs.size === 0) {
      s.source.close();
      streams.delete(address);
    }
  }
}

function join(tab: MessagePort, url: string): void {
  const known = streams.get(url);
  if (known) {
    known.tabs.add(tab);
    if (known.up !== undefined) tab.postMessage({ url, told: known.up ? { kind: 'up', again: false } : { kind: 'down' } });
    if (known.up === false) known.source.hurry();
    if (known.up && known.last) tab.postMessage({ url, told: known.last });
    return;
  }
  const s = { tabs: new Set([tab]), up: undefined, last: undefined } as unknown as Shared;
  streams.set(url, s);
  s.source = new Source(url, (told) => {
    if (told.kind !== 'event') s.up = told.kind === 'up';
    else if (told.event === 'view' && new URL(url).searchParams.has('name')) s.last = told; // one Canary: who joins is told at once
    for (const each of s.tabs) each.postMessage({ url, told });
    if (told.kind === 'event' && told.event === 'bye') streams.delete(url);
  });
}

(self as unknown as { onconnect: (e: MessageEvent) => void }).onconnect = (e) => {
  const tab = e.ports[0]!;
  seen.set(tab, Date.now());
  tab.onmessage = (m: MessageEvent<{ join?: string; leave?: string; end?: boolean }>) => {
    seen.set(tab, Date.now());
    if (m.data.join) join(tab, m.data.join);
    if (m.data.leave) leave(tab, m.data.leave);
    if (m.data.end) {
      leave(tab);
      seen.delete(tab);
    }
  };
};

setInterval(() => {
  for (const [tab, at] of seen) {
    if (Date.now() - at > forgotten) {
      leave(tab);
      seen.delete(tab);
    }
  }
}, 30_000);
