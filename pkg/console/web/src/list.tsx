// All Canaries that who reads may see, a line for each.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api';
import { upgrade, word } from './format';
import { canaryPath, listPath, type ListQuery } from './link';
import { Ago, StateWord, Weight } from './parts';
import { unfinished, wanted } from './plan';
import { Coalescer, listParams, merge, rowKey } from './rows';
import { go, lost, said, stillMe, whoAmI, worded } from './state';
import { follow } from './stream';
import type { List, Row } from './types';

/** Between two requests for the list because of changes, in milliseconds. */
const refetch = 1500;

export function ListPage({ query }: { query: ListQuery }) {
  const [list, setList] = useState<List>(), [error, setError] = useState(''), [more, setMore] = useState(false);
  const current = useRef(list), asked = useRef(query), pages = useRef(1);
  current.current = list;
  asked.current = query;

  const load = async () => {
    const want = listPath(query);
    try {
      let found = await get<List>(`canaries?${listParams(query)}`);
      for (let page = 1; page < pages.current && found.continue; page++) {
        const next: List = await get<List>(`canaries?${listParams(query, found.continue)}`);
        found = { ...next, items: [...found.items, ...next.items] };
      }
      if (want !== listPath(asked.current)) return; // of another filter by now
      setList(found);
      setError('');
    } catch (e) {
      setError(worded(e));
    }
  };
  const latest = useRef(load);
  latest.current = load;

  const showMore = async () => {
    if (!list?.continue) return;
    setMore(true);
    try {
      const next = await get<List>(`canaries?${listParams(query, list.continue)}`);
      pages.current++;
      setList({ ...next, items: [...list.items, ...next.items] });
    } catch (e) {
      setError(worded(e));
    } finally {
      setMore(false);
    }
  };

  useEffect(() => {
    pages.current = 1;
    void load();
  }, [listPath(query)]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = (ms: number) => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void latest.current();
      }, ms);
    };
    const rows = new Coalescer<Row>((changed) => {
      if (!current.current) return;
      const merged = merge(current.current, changed, asked.current);
      for (const row of changed) {
        if (row.waiting?.person && !current.current.items.some((r) => rowKey(r) === rowKey(row) && r.waiting?.person)) {
          said.value = `${row.name} waits for a person: ${row.waiting.for}`;
        }
      }
      setList(merged.list);
      if (merged.stale) soon(refetch);
    }, 100);
    const stop = follow(query.namespace ? new URLSearchParams({ namespace: query.namespace }).toString() : '', (told) => {
      lost.value = told.kind === 'down';
      if (told.kind === 'down') void stillMe();
      if (told.kind === 'up') soon(told.again ? 0 : 300); // what changed before it was connected is not told
      if (told.kind !== 'event') return;
      if (told.event === 'view') {
        const row = JSON.parse(told.data) as Row;
        rows.add(rowKey(row), row);
      } else if (told.event === 'bye') {
        setError((JSON.parse(told.data) as { error: string }).error);
        void whoAmI();
      }
      if (told.event === 'reset' || told.event === 'gone') soon(told.event === 'reset' ? 0 : refetch);
    });
    return () => {
      stop();
      rows.drop();
      clearTimeout(timer);
      lost.value = false;
    };
  }, [query.namespace]);

  const change = (part: Partial<ListQuery>) => go(listPath({ ...query, ...part }), true);
  const counts = list?.counts;
  const shows: { show: ListQuery['show']; label: string; count: number | undefined }[] = [
    { show: '', label: 'All', count: counts?.all },
    { show: 'waiting', label: 'Waits for a person', count: counts?.waiting },
    { show: 'failed', label: 'Failed', count: counts?.failed },
  ];
  return (
    <main id="main">
      <h1 tabIndex={-1}>Canaries</h1>
      <form class="filters" role="search" aria-label="Filters" onSubmit={(e) => e.preventDefault()}>
        <div class="shows" role="group" aria-label="Show">
          {shows.map((s) => (
            <button type="button" key={s.show} aria-pressed={query.show === s.show} onClick={() => change({ show: s.show })}>
              {s.label}{s.count === undefined ? '' : ` ${s.count}`}
            </button>
          ))}
        </div>
        <label>Namespace{' '}
          <select value={query.namespace} onChange={(e) => change({ namespace: e.currentTarget.value })}>
            <option value="">all</option>
            {[...new Set([...(list?.namespaces ?? []), query.namespace])].filter(Boolean).map((ns) => <option key={ns} value={ns}>{ns}</option>)}
          </select>
        </label>
        <label>Name or image{' '}
          <input type="search" value={query.q} onInput={(e) => change({ q: e.currentTarget.value })} spellcheck={false} />
        </label>
      </form>
      {error && <p class="error" role="alert">{error} <button type="button" onClick={() => void load()}>Try again</button></p>}
      {!list && !error && <p class="loading">Loading …</p>}
      {list && (
        <>
          <p class="faint" role="status">
            {list.total} {list.total === 1 ? 'Canary' : 'Canaries'}{list.items.length < list.total ? `, the first ${list.items.length} are shown` : ''}, {list.counts.underway} under way
          </p>
          {list.items.length === 0 ? <Nothing query={query} all={list.counts.all} /> : <Rows items={list.items} />}
          {list.continue && <p><button type="button" disabled={more} onClick={() => void showMore()}>Show more</button></p>}
        </>
      )}
    </main>
  );
}

function Nothing({ query, all }: { query: ListQuery; all: number }) {
  if (query.show === 'waiting' && !query.q) return <p class="empty">✔ Nothing waits for a person.</p>;
  if (query.show === 'failed' && !query.q) return <p class="empty">✔ Nothing has failed.</p>;
  return <p class="empty">{all === 0 ? 'There are no Canaries here that you may see.' : 'No Canary fits these filters.'}</p>;
}

function Rows({ items }: { items: Row[] }) {
  return (
    <table class="list">
      <caption class="unseen">Canaries</caption>
      <thead>
        <tr><th scope="col">Name</th><th scope="col">State</th><th scope="col">Weight</th><th scope="col">Step</th><th scope="col">Checks</th><th scope="col">Waits for</th><th scope="col">Run</th><th scope="col">Images</th></tr>
      </thead>
      <tbody>{items.map((r) => <Line key={rowKey(r)} row={r} />)}</tbody>
    </table>
  );
}

function Line({ row: r }: { row: Row }) {
  const verb = wanted(r.waiting), mine = verb !== undefined && r.can[verb];
  return (
    <tr>
      <th scope="row"><span class="faint">{r.namespace}/</span><wbr /><a href={canaryPath(r.namespace, r.name)}>{r.name}</a></th>
      <td data-label="State"><StateWord state={r.state} word={word(r)} /></td>
      <td data-label="Weight">{unfinished(r.phase) ? <Weight weight={r.weight} actual={r.actual} /> : <span class="faint">–</span>}</td>
      <td data-label="Step">{r.step.number || r.step.of ? `${r.step.number}/${r.step.of || '?'}` : <span class="faint">–</span>}</td>
      <td data-label="Checks">{r.checks.failed > 0 ? `${r.checks.failed} of ${r.checks.threshold} failed` : <span class="faint">–</span>}</td>
      <td data-label="Waits for" class="waits">
        {r.waiting ? <>{mine && <strong>you: </strong>}{r.waiting.for || r.waiting.reason} <span class="faint"><Ago at={r.waiting.since} /></span></> : r.problem || <span class="faint">–</span>}
      </td>
      <td data-label="Run">{r.run ? <>{r.run.number} <span class="faint"><Ago at={r.run.finished ?? r.run.started} /></span></> : <span class="faint">–</span>}</td>
      <td data-label="Images">{r.run ? upgrade(r.run.from, r.run.images) : <span class="faint">–</span>}</td>
    </tr>
  );
}
