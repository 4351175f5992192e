// A run that has ended, from its record.
import { useEffect, useState } from 'preact/hooks';
import { canaryApi, get } from './api';
import { Deeds, RunWeight } from './canary';
import { duration, outcomeState, upgrade } from './format';
import { canaryPath } from './link';
import { MetricCards } from './metrics';
import { Moment, Section, StateWord } from './parts';
import { PlanTable } from './plantable';
import { worded } from './state';
import type { RunDetail } from './types';

export function RunPage({ namespace, name, number }: { namespace: string; name: string; number: number }) {
  const [r, setRun] = useState<RunDetail>(), [error, setError] = useState('');
  useEffect(() => {
    let over = false;
    setRun(undefined);
    setError('');
    document.title = `Run ${number} · ${name} · Sluice`;
    get<RunDetail>(`${canaryApi(namespace, name)}/runs/${number}`).then((found) => !over && setRun(found), (e: unknown) => !over && setError(worded(e)));
    return () => {
      over = true;
    };
  }, [namespace, name, number]);
  const run = r?.run;
  return (
    <main id="main">
      <nav aria-label="Place" class="crumbs">
        <a href="./">Canaries</a> <span aria-hidden="true">›</span> <a href={`?namespace=${encodeURIComponent(namespace)}`}>{namespace}</a> <span aria-hidden="true">›</span> <a href={canaryPath(namespace, name)}>{name}</a>
      </nav>
      <h1 tabIndex={-1}>Run {number}{run && <> <StateWord state={outcomeState(run.outcome)} word={run.outcome || 'under way'} /></>}</h1>
      {error && <p class="error" role="alert">{error}</p>}
      {!r && !error && <p class="loading">Loading …</p>}
      {r && run && (
        <>
          <section class={`head ${outcomeState(run.outcome).toLowerCase()}`} aria-label="In short">
            <dl class="facts">
              <dt>Images</dt><dd>{upgrade(run.from, run.images) || 'not known'}</dd>
              <dt>Revision</dt><dd><code>{run.revision}</code></dd>
              <dt>Began</dt><dd><Moment at={run.started} /></dd>
              {run.finished && <><dt>Ended</dt><dd><Moment at={run.finished} />, after {duration(Date.parse(run.finished) - Date.parse(run.started))}</dd></>}
              {(run.attempt ?? 0) > 1 && <><dt>Attempt</dt><dd>{run.attempt}</dd></>}
              {run.cause && <><dt>Why</dt><dd>{run.cause}</dd></>}
            </dl>
          </section>
          <div class="columns">
            <Section title="Weight over time" class="wide"><RunWeight run={run} planned={Math.max(0, ...r.plan.map((s) => s.weight))} series={r.series} live={!run.finished} /></Section>
            <Section title="Steps"><PlanTable d={{ phase: '', step: { number: 0, of: 0 }, interval: r.interval ?? '', plan: r.plan }} /></Section>
            <Section title="Metrics" class="wide"><MetricCards series={r.series} /></Section>
            <Section title="Who did what" class="wide"><Deeds run={run} /></Section>
          </div>
        </>
      )}
    </main>
  );
}
