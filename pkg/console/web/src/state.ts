// What the page knows: who reads, where they are, and whether the server is heard.
import { signal } from '@preact/signals';
import { ahead, Failure, get } from './api';
import { parse, type Place } from './link';
import type { Me } from './types';

export const me = signal<Me | undefined>(undefined);
export const login = signal<Me | undefined>(undefined); // of whom a login is asked, and how
export const trouble = signal(''); // why not even that is known
export const lost = signal(false); // the stream is not connected
export const said = signal(''); // for those who listen
export const now = signal(Date.now()); // by the server's clock

const base = new URL(document.baseURI).pathname;

/** The address below the base, as the server knows it. */
export const here = () => `/${location.pathname.startsWith(base) ? location.pathname.slice(base.length) : location.pathname}${location.search}`;

const placeHere = (): Place => parse(here().split('?')[0]!, location.search);

export const place = signal<Place>(placeHere());

/** Goes to an address below the base. */
export function go(path: string, replace = false): void {
  const url = new URL(path || './', document.baseURI);
  if (path.startsWith('?')) url.pathname = base;
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
  const before = place.value.page;
  place.value = placeHere();
  if (!replace && before !== place.value.page) {
    scrollTo(0, 0);
    queueMicrotask(() => document.querySelector<HTMLElement>('h1')?.focus());
  }
}

export function begin(): void {
  addEventListener('popstate', () => {
    place.value = placeHere();
  });
  // Links within the page need no new page.
  addEventListener('click', (e) => {
    const a = (e.target as Element | null)?.closest?.('a');
    if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || a.target || !a.href) return;
    const url = new URL(a.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(base) || url.pathname.startsWith(`${base}auth/`)) return;
    if (a.getAttribute('href')!.startsWith('#')) return;
    e.preventDefault();
    go(url.pathname.slice(base.length) + url.search);
  });
  const tick = () => {
    now.value = Date.now() + ahead;
  };
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', tick);
}

/** Asks who reads. */
export async function whoAmI(): Promise<void> {
  try {
    me.value = await get<Me>('me');
    login.value = undefined;
    trouble.value = '';
  } catch (e) {
    const f = e as Failure;
    me.value = undefined;
    if (f.code === 401) login.value = { mode: 'token', ...f.body } as Me;
    else trouble.value = f.message;
  }
}

/** Looks whether a stream has ended because the session has. */
export async function stillMe(): Promise<void> {
  try {
    await get<Me>('me');
  } catch (e) {
    if (e instanceof Failure && e.code === 401) await whoAmI();
  }
}

/** Words an error, and shows the login where the session has ended. */
export function worded(e: unknown): string {
  if (e instanceof Failure && e.code === 401) void whoAmI();
  return e instanceof Error ? e.message : String(e);
}
