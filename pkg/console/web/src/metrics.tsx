// A card for each metric.
import { Sparkline } from './chart';
import { value, verdictState } from './format';
import { Behind, Moment, StateWord, Table } from './parts';
import type { Checks, Series } from './types';

export function MetricCards({ series, checks }: { series: Series[]; checks?: Checks }) {
  if (series.length === 0) return <p class="faint">{checks && checks.threshold > 0 ? 'Nothing was measured in this run yet.' : 'No metric judges this.'}</p>;
  return <div class="cards">{series.map((s) => <Card key={s.name} s={s} />)}</div>;
}

function Card({ s }: { s: Series }) {
  const last = s.points[s.points.length - 1], state = verdictState(s.verdict);
  return (
    <article class={`card ${state.toLowerCase()}`} aria-label={s.name}>
      <h3>{s.name}</h3>
      <p class="measured"><StateWord state={state} word={s.verdict || 'Not asked yet'} /> <strong>{last ? value(last.text ?? last.value) : ''}</strong> {s.limit && <span class="faint limit-text">limit {s.limit}</span>}</p>
      {s.message && <p class="faint">{s.message}</p>}
      {s.points.length > 0 && <Sparkline points={s.points} limit={s.limit} name={s.name} />}
      {s.evidence && (
        <dl class="facts">
          {s.evidence.against && <><dt>Evidence against</dt><dd>{s.evidence.against}</dd></>}
          {s.evidence.for && <><dt>Evidence for</dt><dd>{s.evidence.for}</dd></>}
          {s.evidence.needed && <><dt>Still needed</dt><dd>{s.evidence.needed}</dd></>}
        </dl>
      )}
      {s.points.length > 0 && (
        <Behind title="Values as a table">
          <Table caption={`Values of ${s.name}`} head={['Time', 'Value', 'Verdict']} rows={[...s.points].reverse().map((p) => [<Moment at={p.at} />, value(p.text ?? p.value), <StateWord state={verdictState(p.verdict)} word={p.verdict} />])} />
        </Behind>
      )}
      {(s.query || s.provider) && (
        <Behind title={s.provider ? `Asked of: ${s.provider}` : 'Query'}>{s.query ? <pre tabIndex={0}>{s.query}</pre> : <p class="faint">The query is not known.</p>}</Behind>
      )}
    </article>
  );
}
