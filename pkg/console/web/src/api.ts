// Requests to the server.
import { canaryPath } from './link';

/** An answer that is no success, with its text for people. */
export class Failure extends Error {
  constructor(readonly code: number, text: string, readonly body: Record<string, unknown> = {}) {
    super(text);
  }
}

/** By how much the server's clock is ahead of this one, in milliseconds. */
export let ahead = 0;

/** Takes the server's clock from one of its answers. */
export function setClock(at: string | null): void {
  const time = Date.parse(at ?? '');
  if (Number.isFinite(time)) ahead = time - Date.now();
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  let r: Response;
  try {
    r = await fetch(path, { ...init, credentials: 'same-origin', cache: 'no-store' });
  } catch {
    throw new Failure(0, 'The server cannot be reached.');
  }
  const text = await r.text();
  let body: unknown;
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    throw new Failure(r.status || 502, `The server has answered with something else than JSON (${r.status}).`);
  }
  if (!r.ok) {
    const known = body as Record<string, unknown>;
    throw new Failure(r.status, typeof known.error === 'string' ? known.error : `The server has answered ${r.status}.`, known);
  }
  return body as T;
}

export const get = <T>(path: string) => ask<T>(`api/v1/${path}`);

export const post = <T>(path: string, body: unknown = {}) =>
  ask<T>(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

/** The address of a Canary in the API. */
export const canaryApi = (namespace: string, name: string) => `canaries/${canaryPath(namespace, name).slice('ns/'.length)}`;
