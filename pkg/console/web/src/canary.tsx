// One Canary: what it is doing, why it goes no further, what can be done; and all that is behind these.
import { useEffect, useRef, useState } from 'preact/hooks';
import { canaryApi, get, setClock } from './api';
import { WeightChart } from './chart';
import { Confirm } from './dialog';
import { outcomeState, upgrade, word } from './format';
import { canaryPath, type Asked } from './link';
import { MetricCards } from './metrics';
import { Ago, Behind, Moment, Section, StateWord, Table, Weight } from './parts';
import { PlanTable } from './plantable';
import { actions, analysing, announced, doing, impossible, underWay, verbs, wanted, whatToDo, why, type Verb } from './plan';
import { go, lost, now, said, stillMe, whoAmI, worded } from './state';
import { follow } from './stream';
import type { Detail, Event, Node, Pods, Run, RunSummary, Series } from './types';

interface Props { namespace: string; name: string; asked?: Asked | undefined }

export function CanaryPage({ namespace, name, asked }: Props) {
  const [d, setDetail] = useState<Detail>(), [error, setError] = useState(''), [gone, setGone] = useState(false);
  const [open, setOpen] = useState<{ asked: Asked; byLink: boolean } | undefined>(asked && { asked, byLink: true });
  const where = useRef('');

  const take = (found: Detail) => {
    setClock(found.now);
    now.value = Date.parse(found.now);
    const text = announced(found);
    if (where.current && where.current !== text) said.value = text;
    where.current = text;
    setGone(false);
    setError('');
    setDetail(found);
  };

  useEffect(() => {
    let over = false, streamed = false;
    where.current = '';
    get<Detail>(canaryApi(namespace, name)).then((found) => {
      if (!over && !streamed) take(found);
    }, (e: unknown) => {
      if (!over) setError(worded(e));
    });
    const stop = follow(new URLSearchParams({ namespace, name }).toString(), (told) => {
      lost.value = told.kind === 'down';
      if (told.kind === 'down') void stillMe();
      if (told.kind !== 'event') return;
      if (told.event === 'view') {
        streamed = true;
        take(JSON.parse(told.data) as Detail);
      } else if (told.event === 'gone') setGone(true);
      else if (told.event === 'bye') {
        setError((JSON.parse(told.data) as { error: string }).error);
        void whoAmI();
      }
    });
    return () => {
      over = true;
      stop();
      lost.value = false;
    };
  }, [namespace, name]);

  useEffect(() => {
    document.title = d ? `${word(d)} · ${name} · Sluice` : `${name} · Sluice`;
  }, [d && word(d), name]);

  const close = () => {
    setOpen(undefined);
    if (location.search) go(canaryPath(namespace, name), true);
  };
  return (
    <main id="main">
      <nav aria-label="Place" class="crumbs"><a href="./">Canaries</a> <span aria-hidden="true">›</span> <a href={`?namespace=${encodeURIComponent(namespace)}`}>{namespace}</a></nav>
      <h1 tabIndex={-1}>{name}{d && <> <StateWord state={d.state} word={word(d)} /></>}</h1>
      {gone && <p class="error" role="alert">■ This Canary was deleted. What is below is the last that was seen of it.</p>}
      {error && <p class="error" role="alert">{error}</p>}
      {!d && !error && <p class="loading">Loading …</p>}
      {d && (
        <>
          <Head d={d} act={(verb) => setOpen({ asked: { verb }, byLink: false })} disabled={gone} />
          <div class="columns">
            <Section title="Weight over time" class="wide"><RunWeight run={d.run} planned={Math.max(0, ...d.plan.map((s) => s.weight))} series={d.series} live={underWay(d.phase)} /></Section>
            <Section title="Steps"><PlanTable d={d} /></Section>
            <Section title="Metrics" class="wide"><MetricCards series={d.series} checks={d.checks} /></Section>
            <PodsSection namespace={namespace} name={name} changed={`${d.phase} ${d.step.number} ${d.weight}`} live={underWay(d.phase)} />
            <Section title="Routes"><Routes d={d} /></Section>
            <EventsSection namespace={namespace} name={name} changed={announced(d)} />
            <Section title="Who did what" class="wide"><Deeds run={d.run} /></Section>
            <Section title="Runs" class="wide"><Runs d={d} /></Section>
          </div>
          {open && <Confirm key={`${open.asked.verb} ${open.byLink}`} asked={open.asked} byLink={open.byLink} detail={d} close={close} />}
        </>
      )}
    </main>
  );
}

function Head({ d, act, disabled }: { d: Detail; act: (verb: Verb) => void; disabled: boolean }) {
  const first = wanted(d.waiting), run = d.run;
  const reasons = new Map(verbs.map((v) => [v, impossible(d, v)]));
  const shown = [...verbs].sort((a, b) => Number(b === first) - Number(a === first));
  const not = shown.filter((v) => reasons.get(v));
  return (
    <section class={`head ${d.state.toLowerCase()}`} aria-label="In short">
      <dl class="short">
        <dt>What is it doing?</dt><dd>{doing(d, now.value)}</dd>
        <dt>Why not further?</dt><dd>{why(d, now.value)}</dd>
        <dt>What can I do?</dt>
        <dd>
          {whatToDo(d)}
          <div class="bar-of-actions" role="group" aria-label="Actions">
            {shown.map((v) => {
              const no = disabled ? 'this Canary was deleted' : reasons.get(v)!;
              return (
                <button
                  type="button" key={v} class={v === first && !no ? 'main' : actions[v].grave ? 'grave' : ''} aria-disabled={no !== ''}
                  aria-describedby={no ? `no-${v}` : undefined} title={no || actions[v].does} onClick={() => !no && act(v)}
                >{actions[v].label}</button>
              );
            })}
          </div>
          {not.length > 0 && (
            <details class="behind"><summary>Why some are not possible</summary>
              <ul>{not.map((v) => <li key={v}>{actions[v].label}: <span id={`no-${v}`}>{reasons.get(v)}</span></li>)}</ul>
            </details>
          )}
          {!disabled && analysing(d.phase) && reasons.get('promote') && d.can.promote && d.can['skip-step'] && (
            <p><button type="button" class="plain" onClick={() => act('promote')}>End this step before its time …</button></p>
          )}
        </dd>
      </dl>
      <dl class="facts">
        {run && <><dt>Run</dt><dd><a href={canaryPath(d.namespace, d.name, run.number)}>{run.number}</a>{(run.attempt ?? 0) > 1 && `, attempt ${run.attempt}`}, {run.finished ? <>{run.outcome} <Ago at={run.finished} /></> : <>began <Ago at={run.started} /></>}</dd></>}
        {run && <><dt>Images</dt><dd>{upgrade(run.from, run.images) || 'not known'}</dd></>}
        {run && <><dt>Revision</dt><dd><code>{run.revision}</code></dd></>}
        <dt>Weight</dt><dd><Weight weight={d.weight} actual={d.actual} /></dd>
        <dt>Checks</dt><dd>{d.checks.failed} of {d.checks.threshold} failed{d.checks.last ? `, last: ${d.checks.last}` : ''}</dd>
        <dt>Target</dt><dd>{d.target.kind} {d.target.name}</dd>
      </dl>
      {d.action?.message && <p class="faint">Last action: {d.action.verb}{d.action.by ? ` by ${d.action.by}` : ''}, {d.action.result}: {d.action.message} (<Ago at={d.action.at} />)</p>}
    </section>
  );
}

/** The weight of a run, as a chart and as a table. */
export function RunWeight({ run, planned, series, live }: { run: Run | undefined; planned: number; series: Series[]; live: boolean }) {
  const track = run?.track ?? [];
  if (!run || track.length === 0) return <p class="faint">No requests have been divided yet.</p>;
  const began = Date.parse(run.started);
  const failures = series.flatMap((s) => s.points.filter((p) => p.verdict === 'Failed' && Date.parse(p.at) >= began).map((p) => p.at));
  const until = run.finished ? Date.parse(run.finished) : live ? now.value : Date.parse(track[track.length - 1]!.at);
  return (
    <>
      <WeightChart track={track} acts={run.actions ?? []} planned={planned} until={until} failures={[...new Set(failures)]} />
      <p class="key faint">
        <span class="swatch canary" aria-hidden="true" /> canary's weight <span class="swatch limit" aria-hidden="true" /> greatest weight planned{' '}
        <span class="swatch act" aria-hidden="true" /> action <span class="bad" aria-hidden="true">✖</span> failed check
      </p>
      <Behind title="Weights as a table"><Table caption="Weights" head={['Time', 'Step', 'Weight']} rows={track.map((p) => [<Moment at={p.at} />, p.step, `${p.weight} %`])} /></Behind>
    </>
  );
}

/** Fetches anew when something has changed, and not more often than the server looks. */
function useFetched<T>(path: string, changed: string, every: number): { found: T | undefined; error: string } {
  const [found, setFound] = useState<T>(), [error, setError] = useState('');
  useEffect(() => {
    let over = false;
    const load = () => {
      if (document.hidden) return;
      get<T>(path).then((f) => {
        if (over) return;
        setFound(f);
        setError('');
      }, (e: unknown) => {
        if (!over) setError(worded(e));
      });
    };
    const first = setTimeout(load, 50), timer = setInterval(load, every);
    document.addEventListener('visibilitychange', load);
    return () => {
      over = true;
      clearTimeout(first);
      clearInterval(timer);
      document.removeEventListener('visibilitychange', load);
    };
  }, [path, changed, every]);
  return { found, error };
}

function PodsSection({ namespace, name, changed, live }: { namespace: string; name: string; changed: string; live: boolean }) {
  const { found, error } = useFetched<Pods>(`${canaryApi(namespace, name)}/pods`, changed, live ? 5000 : 30_000);
  return (
    <Section title="Pods">
      {error && <p class="error">{error}</p>}
      {found?.unread?.map((u) => <p class="error" key={u}>Not read: {u}</p>)}
      {!found && !error && <p class="loading">Loading …</p>}
      {found && <ul class="tree">{sides(found.tree).map((n) => <Branch key={`${n.kind} ${n.name}`} node={n} />)}</ul>}
    </Section>
  );
}

/** Runs that have nothing below them are in the table of runs. */
const sides = (tree: Node) => (tree.children ?? []).filter((n) => n.kind !== 'Run' || (n.children ?? []).length > 0);

function Branch({ node: n }: { node: Node }) {
  return (
    <li>
      <span class="node">
        {n.kind !== 'Run' && <span class="faint">{n.kind} </span>}{n.name}{' '}
        {n.state && <StateWord state={n.state} word={n.status || n.state} />}{' '}
        <span class="faint">{(n.info ?? []).join(', ')}</span>
      </span>
      {n.children && n.children.length > 0 && <ul>{n.children.map((c) => <Branch key={`${c.kind} ${c.name}`} node={c} />)}</ul>}
    </li>
  );
}

function Routes({ d }: { d: Detail }) {
  return (
    <>
      <dl class="facts">
        <dt>Provider</dt><dd>{d.provider || 'not known'}</dd>
        {d.service && <><dt>Service</dt><dd>{d.service}</dd></>}
        <dt>Canary</dt><dd><Weight weight={d.weight} actual={d.actual} />{d.matched && ' of those that fit'}</dd>
        <dt>Primary</dt><dd><Weight weight={100 - d.weight} actual={d.actual === undefined ? undefined : 100 - d.actual} /></dd>
      </dl>
      {d.routes.length > 0 ? <ul>{d.routes.map((r) => <li key={`${r.kind} ${r.name}`}><span class="faint">{r.kind}</span> {r.name}</li>)}</ul> : <p class="faint">No objects of routes are known.</p>}
    </>
  );
}

function EventsSection({ namespace, name, changed }: { namespace: string; name: string; changed: string }) {
  const { found, error } = useFetched<{ items: Event[] }>(`${canaryApi(namespace, name)}/events`, changed, 30_000);
  const [all, setAll] = useState(false), items = found?.items ?? [];
  return (
    <Section title="Events" class="wide">
      {error && <p class="error">{error}</p>}
      {!found && !error && <p class="loading">Loading …</p>}
      {found && items.length === 0 && <p class="faint">There are none: Kubernetes forgets them after an hour.</p>}
      {items.length > 0 && (
        <Table
          caption="Events" head={['When', 'Type', 'Reason', 'Message']}
          rows={items.slice(0, all ? undefined : 8).map((e) => [
            <Ago at={e.at} />, e.type === 'Warning' ? <span class="bad">✖ Warning</span> : e.type, e.reason, `${e.message}${e.count > 1 ? ` (${e.count} times)` : ''}`,
          ])}
        />
      )}
      {items.length > 8 && !all && <p><button type="button" onClick={() => setAll(true)}>Show all {items.length}</button></p>}
    </Section>
  );
}

/** What people have asked for in a run. */
export function Deeds({ run }: { run: Run | undefined }) {
  const acts = run?.actions ?? [];
  if (acts.length === 0) return <p class="faint">Nobody has put a hand on this run.</p>;
  return (
    <Table
      caption="Actions in this run" head={['When', 'Step', 'Action', 'By', 'Reason']}
      rows={[...acts].reverse().map((a) => [<Ago at={a.at} />, a.step ?? '', a.verb, a.by || 'not known', a.reason || ''])}
    />
  );
}

function Runs({ d }: { d: Detail }) {
  const current: Partial<RunSummary>[] = d.run && !d.run.finished && !(d.runs ?? []).some((r) => r.number === d.run!.number) ? [{ ...d.run, outcome: '' } as RunSummary] : [];
  const runs = [...current, ...(d.runs ?? [])];
  if (runs.length === 0) return <p class="faint">There was no run yet.</p>;
  return (
    <Table
      caption="Runs" head={['Run', 'Outcome', 'Images', 'Began', 'Ended', 'By', 'Why']}
      rows={runs.map((r) => [
        <a href={canaryPath(d.namespace, d.name, r.number)}>{r.number}</a>, <StateWord state={outcomeState(r.outcome)} word={r.outcome || 'under way'} />,
        r.images || r.revision, <Moment at={r.started} />, r.finished ? <Moment at={r.finished} /> : '', r.by || '', r.reason || '',
      ])}
    />
  );
}
