// The rows of the list, and what changes that a stream tells do to them.
import type { ListQuery } from './link';
import { underWay } from './plan';
import type { List, Row } from './types';

/** The list's parameters for the server. */
export function listParams(query: ListQuery, after?: string): string {
  const q = new URLSearchParams({ limit: '100' });
  if (query.namespace) q.set('namespace', query.namespace);
  if (query.q.trim()) q.set('q', query.q.trim());
  if (query.show) q.set(query.show, 'true');
  if (after) q.set('continue', after);
  return q.toString();
}

export const rowKey = (r: { namespace: string; name: string }) => `${r.namespace}/${r.name}`;

const waits = (r: Row) => r.waiting?.person === true;
const classOf = (r: Row) => `${waits(r)} ${r.phase === 'Failed'} ${underWay(r.phase)}`;

/** Whether a filter lets a row through; what it says of words is the server's to know, since it looks at full images. */
export function matches(r: Row, query: ListQuery): boolean {
  if (query.namespace && query.namespace !== r.namespace) return false;
  return query.show === 'waiting' ? waits(r) : query.show === 'failed' ? r.phase === 'Failed' : true;
}

/** Takes changed rows into a list. Stale: who is on the list, or its counts, are no longer known, so that it has to be fetched anew. */
export function merge(list: List, changed: Iterable<Row>, query: ListQuery): { list: List; stale: boolean } {
  const items = [...list.items], places = new Map(items.map((r, i) => [rowKey(r), i]));
  let stale = false;
  for (const row of changed) {
    if (query.namespace && query.namespace !== row.namespace) continue;
    const at = places.get(rowKey(row));
    if (at === undefined) {
      stale = true;
      continue;
    }
    stale ||= classOf(items[at]!) !== classOf(row) || !matches(row, query);
    items[at] = row;
  }
  return { list: { ...list, items }, stale };
}

/** Collects what comes in quick succession, the last of each key, and gives it on together. */
export class Coalescer<T> {
  private pending = new Map<string, T>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly give: (all: T[]) => void, private readonly ms: number) {}

  add(key: string, one: T): void {
    this.pending.delete(key);
    this.pending.set(key, one);
    this.timer ??= setTimeout(() => this.flush(), this.ms);
  }

  flush(): void {
    this.drop();
    const all = [...this.pending.values()];
    this.pending.clear();
    if (all.length > 0) this.give(all);
  }

  drop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
