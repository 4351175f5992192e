// Addresses of the page, and links that ask for an action.
import { about, isVerb, stepText, type Verb } from './plan';
import type { Detail } from './types';

export type Place =
  | { page: 'list'; query: ListQuery }
  | { page: 'canary'; namespace: string; name: string; asked?: Asked }
  | { page: 'run'; namespace: string; name: string; number: number }
  | { page: 'nowhere' };

export interface ListQuery { namespace: string; q: string; show: '' | 'waiting' | 'failed' }

/** What a link asks for. */
export interface Asked { verb: Verb; revision?: string; step?: number }

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The place that an address below the base is. */
export function parse(path: string, search: string): Place {
  const parts = path.split('/').filter((p) => p !== '').map(decode);
  const q = new URLSearchParams(search);
  if (parts.length === 0) {
    const show = q.get('show');
    return { page: 'list', query: { namespace: q.get('namespace') ?? '', q: q.get('q') ?? '', show: show === 'waiting' || show === 'failed' ? show : '' } };
  }
  // Namespaces may be called like other addresses, so that the page writes `ns` before them; without it is understood as well.
  if (parts[0] === 'ns' && parts.length % 2 === 1) parts.shift();
  const [namespace = '', name = '', runs, number] = parts;
  if (parts.length === 2) {
    const verb = q.get('do');
    if (!isVerb(verb)) return { page: 'canary', namespace, name };
    const step = q.get('step'), asked: Asked = { verb };
    if (q.get('revision')) asked.revision = q.get('revision')!;
    if (step !== null && /^\d+$/.test(step)) asked.step = Number(step);
    return { page: 'canary', namespace, name, asked };
  }
  if (parts.length === 4 && runs === 'runs' && /^[1-9]\d*$/.test(number ?? '')) return { page: 'run', namespace, name, number: Number(number) };
  return { page: 'nowhere' };
}

const enc = encodeURIComponent;

/** The address of a Canary, or of one of its runs, below the base. */
export const canaryPath = (namespace: string, name: string, run?: number) => `ns/${enc(namespace)}/${enc(name)}${run ? `/runs/${run}` : ''}`;

/** The address of the list, below the base. */
export function listPath(query: ListQuery): string {
  const q = new URLSearchParams();
  if (query.show) q.set('show', query.show);
  if (query.namespace) q.set('namespace', query.namespace);
  if (query.q) q.set('q', query.q);
  const text = q.toString();
  return text ? `?${text}` : '';
}

/** Why an action is about something that is over; empty: it is not. Who calls a revision off means all of its steps. */
export function outdated(verb: Verb, asked: { revision?: string; step?: number }, d: Detail): string {
  const now = about(d);
  if (asked.revision !== undefined && asked.revision !== now.revision) {
    return `This is about revision ${asked.revision}, and the present one is ${now.revision || 'not known'}.`;
  }
  if ((verb === 'promote' || verb === 'override') && asked.step !== undefined && asked.step !== now.step) {
    return `This is about step ${asked.step}, and the rollout is at ${stepText({ ...d.step, number: now.step }) || 'no step'} now.`;
  }
  return '';
}
