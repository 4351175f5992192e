// How times, numbers and states are written. All of it is pure.
import type { State } from './types';

/** The sign beside the word for a state, so that colour is never all there is. */
export const signs: Record<State, string> = {
  Healthy: '✔', Progressing: '◌', Paused: '‖', Degraded: '✖', Stopped: '■', Unknown: '?',
};

/** How a metric's verdict is shown. */
export function verdictState(verdict: string): State {
  switch (verdict) {
    case 'Passed': return 'Healthy';
    case 'Failed': return 'Degraded';
    case 'Waiting': return 'Progressing';
    case 'Inconclusive': return 'Paused';
    default: return 'Unknown';
  }
}

/** How a run's outcome is shown. */
export function outcomeState(outcome: string | undefined): State {
  switch (outcome) {
    case undefined: case '': return 'Progressing';
    case 'Promoted': case 'FastPromoted': return 'Healthy';
    case 'Superseded': case 'CalledOff': case 'Terminated': return 'Stopped';
    default: return 'Degraded';
  }
}

/** The word for a Canary's state. */
export function word(row: { state: State; phase: string }): string {
  switch (row.state) {
    case 'Degraded': return row.phase === 'Failed' ? 'Failed' : 'Invalid';
    case 'Paused': return 'Paused';
    case 'Unknown': return 'Unknown';
    default: return row.phase || 'Unknown';
  }
}

/** A length of time in milliseconds as people say it: `45s`, `3m 5s`, `2h 10m`, `3d 4h`. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 10) return s % 60 ? `${m}m ${s % 60}s` : `${m}m`;
  if (m < 60) return `${m}m`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h}h ${m % 60}m` : `${h}h`;
  const d = Math.floor(h / 24);
  return h % 24 && d < 10 ? `${d}d ${h % 24}h` : `${d}d`;
}

/** A countdown, to the second below an hour: `04:05`. */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000));
  if (s >= 3600) return duration(ms);
  return `${String(Math.floor(s / 60)).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}`;
}

/** Whether a time is one: Go's zero time is none. */
export const known = (at: string | undefined): at is string => !!at && !at.startsWith('0001-');

export function ago(at: string | undefined, now: number): string {
  if (!known(at)) return '';
  const age = now - Date.parse(at);
  return age < 1000 ? 'just now' : `${duration(age)} ago`;
}

/** A moment in the reader's own zone. */
export function clock(at: string | undefined): string {
  if (!known(at)) return '';
  const d = new Date(at), p = (n: number) => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${p(d.getMonth() + 1)}-${p(d.getDate())} ${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}`;
}

/** What takes the place of what: `podinfo 6.0.0 → 6.0.1`. */
export function upgrade(from: string | undefined, to: string | undefined): string {
  if (!from || from === to) return to ?? '';
  if (!to) return `${from} → ?`;
  const before = from.split(', '), after = to.split(', ');
  if (before.length !== after.length) return `${from} → ${to}`;
  const cut = (image: string): [string, string] | undefined => {
    const at = image.indexOf(':');
    return at < 0 ? undefined : [image.slice(0, at), image.slice(at + 1)];
  };
  return after.flatMap((image, i) => {
    const was = before[i]!;
    if (was === image) return [];
    const a = cut(was), b = cut(image);
    return a && b && a[0] === b[0] ? [`${b[0]} ${a[1]} → ${b[1]}`] : [`${was} → ${image}`];
  }).join(', ');
}

/** A measured value with as many digits as a person reads. */
export function value(text: string | number | null | undefined): string {
  if (text === null || text === undefined || text === '') return 'none';
  const n = Number(text);
  if (!Number.isFinite(n)) return String(text);
  return n !== 0 && Math.abs(n) < 0.001 ? n.toExponential(2) : String(Number(n.toPrecision(5)));
}

/** The numbers in a limit such as `>= 99` or `between 1 and 2`, to be drawn as lines. */
export function limits(limit: string | undefined): number[] {
  return (limit?.match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi) ?? []).map(Number).filter(Number.isFinite).slice(0, 2);
}
