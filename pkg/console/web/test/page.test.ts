import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ago, countdown, duration, limits, upgrade, value, word } from '../src/format';
import { canaryPath, listPath, outdated, parse } from '../src/link';
import { announced, doing, impossible, left, pauseText, standing, wanted, why } from '../src/plan';
import { Coalescer, listParams, matches, merge } from '../src/rows';
import { wait } from '../src/source';
import type { Detail, List, Row } from '../src/types';

const noon = Date.parse('2026-01-31T12:00:00Z');

const detail = (change: Partial<Detail> = {}): Detail => ({
  namespace: 'test', name: 'podinfo', created: '2026-01-01T00:00:00Z', state: 'Progressing', phase: 'Progressing', step: { number: 3, of: 6 }, weight: 20,
  checks: { failed: 0, threshold: 5 }, can: { promote: true, abort: false }, allowed: { promote: '', abort: '', retry: 'it has not failed' }, plan: [], series: [],
  interval: '1m0s', provider: 'istio', target: { kind: 'Deployment', name: 'podinfo' }, suspended: false, now: '2026-01-31T12:00:00Z', routes: [],
  run: { number: 17, revision: 'r1-b', images: 'podinfod:6.0.1', from: 'podinfod:6.0.0', started: '2026-01-31T11:48:00Z' }, ...change,
});

const row = (name: string, change: Partial<Row> = {}): Row => ({ ...detail(), name, ...change });

test.each([[0, '0s'], [59_999, '59s'], [185_000, '3m 5s'], [120_000, '2m'], [3_599_000, '59m'], [7_800_000, '2h 10m'], [360_000_000, '4d 4h'], [-5, '0s']])('duration of %d ms', (ms, want) => {
  expect(duration(ms)).toBe(want);
});

test.each([[0, '00:00'], [1, '00:01'], [245_000, '04:05'], [7_200_000, '2h']])('countdown of %d ms', (ms, want) => {
  expect(countdown(ms)).toBe(want);
});

test("Go's zero time is no time", () => {
  expect(ago('0001-01-01T00:00:00Z', noon)).toBe('');
  expect(ago('2026-01-31T11:58:00Z', noon)).toBe('2m ago');
});

test.each([
  ['podinfod:6.0.0', 'podinfod:6.0.1', 'podinfod 6.0.0 → 6.0.1'], ['a:1, b:1', 'a:1, b:2', 'b 1 → 2'], ['a:1', 'b:1', 'a:1 → b:1'], ['a:1', 'a:1, b:1', 'a:1 → a:1, b:1'], [undefined, 'a:1', 'a:1'], ['a:1', undefined, 'a:1 → ?'],
])('upgrade from %s to %s', (from, to, want) => {
  expect(upgrade(from, to)).toBe(want);
});

test('values and limits as they are drawn', () => {
  expect(['99.931234', '0', '0.0000123', 'NaN', '', null].map(value)).toEqual(['99.931', '0', '1.23e-5', 'NaN', 'none', 'none']);
  expect(['>= 99', '<= 0.5', '-1 .. 1e3', undefined].map(limits)).toEqual([[99], [0.5], [-1, 1000], []]);
});

test('a Canary that is invalid is not called failed', () => {
  expect(word({ state: 'Degraded', phase: 'Progressing' })).toBe('Invalid');
  expect(word({ state: 'Degraded', phase: 'Failed' })).toBe('Failed');
});

describe('a link', () => {
  test('is read and written alike', () => {
    expect(parse(canaryPath('a', 'b/c', 3), '')).toEqual({ page: 'run', namespace: 'a', name: 'b/c', number: 3 });
    expect(parse(`/${canaryPath('ns', 'runs')}`, '?do=promote&revision=r1-b&step=3')).toEqual({ page: 'canary', namespace: 'ns', name: 'runs', asked: { verb: 'promote', revision: 'r1-b', step: 3 } });
    expect(parse('test/podinfo', '')).toEqual({ page: 'canary', namespace: 'test', name: 'podinfo' });
    expect(parse('', listPath({ namespace: 'a', q: 'x y', show: 'failed' }))).toEqual({ page: 'list', query: { namespace: 'a', q: 'x y', show: 'failed' } });
  });
  test('asks for nothing that is no action', () => {
    expect(parse('ns/a/b', '?do=delete&step=x')).toEqual({ page: 'canary', namespace: 'a', name: 'b' });
    expect(parse('ns/a/b', '?do=abort&step=1e9')).toEqual({ page: 'canary', namespace: 'a', name: 'b', asked: { verb: 'abort' } });
    expect(parse('ns/a/b/runs/0', '')).toEqual({ page: 'nowhere' });
    expect(parse('ns/%zz/b', '')).toEqual({ page: 'canary', namespace: '%zz', name: 'b' });
  });
  test('is over when its revision or step is', () => {
    expect(outdated('promote', { revision: 'r1-b', step: 3 }, detail())).toBe('');
    expect(outdated('abort', { revision: 'r1-a', step: 3 }, detail())).toContain('the present one is r1-b');
    expect(outdated('promote', { step: 2 }, detail())).toContain('is at step 3 of 6 now');
    expect(outdated('override', { step: 3 }, detail({ about: { revision: 'r1-b', step: 4 } }))).toContain('step 4');
    expect(outdated('abort', { step: 2 }, detail())).toBe('');
  });
});

test('steps stand where the phase says', () => {
  const at = (number: number, phase = 'Progressing') => standing({ number, weight: 0 }, { phase, step: { number: 3, of: 6 } });
  expect([2, 3, 4].map((n) => at(n))).toEqual(['done', 'present', 'ahead']);
  expect(at(5, 'Promoting')).toBe('done');
  expect(at(1, 'Failed')).toBe('ahead');
});

test('the countdown ends when the time is over', () => {
  expect(left({ stepUntil: '2026-01-31T12:04:05Z' }, noon)).toBe('04:05');
  expect(left({ stepUntil: '2026-01-31T11:59:59Z' }, noon)).toBe('');
  expect(left({}, noon)).toBe('');
});

test('pauses in words', () => {
  expect(['person', '2h then abort', 'person, 10m then promote', undefined].map(pauseText)).toEqual(['then a person says go on', 'then 2h, then abort', 'then a person says go on, then 10m, then promote', '']);
});

test('what it does and why it goes no further', () => {
  const paused = detail({ waiting: { reason: 'StepPaused', for: 'waits for promote', since: '2026-01-31T11:58:00Z', person: true } });
  expect(doing(paused, noon)).toBe('Judging podinfod 6.0.0 → 6.0.1: 20 % of requests go to the canary, step 3 of 6.');
  expect(why(paused, noon)).toBe('StepPaused: waits for promote, since 2m.');
  const running = { reason: 'StepRunning', for: 'Step 1 of 5: 10% of requests go to podinfo.test, judged after 1m0s, at 15:39:35 UTC.', since: '2026-01-31T11:58:00Z', person: false };
  expect(why(detail({ waiting: running }), noon)).toBe('StepRunning: Step 1 of 5: 10% of requests go to podinfo.test, judged after 1m0s, at 15:39:35 UTC. Since 2m.');
  expect(why(detail({ waiting: { ...running, since: '0001-01-01T00:00:00Z' } }), noon)).toMatch(/UTC\.$/);
  expect(announced(paused)).toBe('podinfo: Progressing, 20 %, step 3 of 6, waits for promote');
  expect(why(detail({ suspended: true }), noon)).toContain('spec.suspend');
  expect(doing(detail({ phase: 'Succeeded', run: { ...detail().run!, finished: '2026-01-31T11:00:00Z' } }), noon)).toBe('podinfod 6.0.0 → 6.0.1 serves everybody since 1h.');
});

test('an action takes the right, and a phase that permits it', () => {
  expect(impossible(detail(), 'promote')).toBe('');
  expect(impossible(detail(), 'abort')).toContain('takes the verb abort');
  expect(impossible(detail({ can: { retry: true } }), 'retry')).toBe('it has not failed');
  expect(impossible(detail({ can: { rollback: true } }), 'rollback')).not.toBe('');
  const waiting = (reason: string, person = true) => wanted({ reason, person, for: '', since: '' });
  expect([waiting('StepPaused'), waiting('PromotionApproval'), waiting('Held'), waiting('Suspended'), waiting('CheckRetry', false)]).toEqual(['promote', 'override', 'resume', undefined, undefined]);
});

describe('the list', () => {
  const query = { namespace: '', q: '', show: '' } as const;
  const list: List = { items: [row('a'), row('b')], total: 2, counts: { waiting: 0, failed: 0, underway: 2, all: 2 }, namespaces: ['test'] };
  test('asks the server for what is filtered', () => {
    expect(listParams({ namespace: 'a b', q: ' x ', show: 'waiting' }, 'Zg')).toBe('limit=100&namespace=a+b&q=x&waiting=true&continue=Zg');
  });
  test('takes a change that leaves all counts as they are', () => {
    const { list: merged, stale } = merge(list, [row('b', { weight: 50 })], query);
    expect([merged.items.map((r) => r.weight), stale]).toEqual([[20, 50], false]);
    expect(list.items[1]!.weight).toBe(20);
  });
  test('is fetched anew when counts change, or a row comes or goes', () => {
    expect(merge(list, [row('b', { phase: 'Failed' })], query).stale).toBe(true);
    expect(merge(list, [row('c')], query).stale).toBe(true);
    expect(merge(list, [row('b')], { ...query, show: 'failed' }).stale).toBe(true);
    expect(merge(list, [row('c', { namespace: 'other' })], { ...query, namespace: 'test' }).stale).toBe(false);
  });
  test('has rows that wait for a person, or failed', () => {
    const waits = row('a', { waiting: { reason: 'StepPaused', for: '', since: '', person: true } });
    expect([matches(waits, { ...query, show: 'waiting' }), matches(row('a'), { ...query, show: 'waiting' }), matches(waits, { ...query, show: 'failed' })]).toEqual([true, false, false]);
  });
});

describe('changes in quick succession', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  test('are taken together, the last of each', () => {
    const given: string[][] = [], c = new Coalescer<string>((all) => given.push(all), 100);
    c.add('a', 'a1');
    c.add('b', 'b1');
    c.add('a', 'a2');
    expect(given).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(given).toEqual([['b1', 'a2']]);
    c.add('a', 'a3');
    c.drop();
    vi.advanceTimersByTime(1000);
    expect(given).toHaveLength(1);
  });
});

describe('a source', () => {
  class Fake extends EventTarget {
    static all: Fake[] = [];
    onopen?: () => void;
    onerror?: () => void;
    closed = false;
    constructor() {
      super();
      Fake.all.push(this);
    }
    close() {
      this.closed = true;
    }
  }
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('EventSource', Fake);
    Fake.all = [];
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  test('comes back after an error and after silence, and not after bye', async () => {
    const { Source } = await import('../src/source');
    const told: string[] = [];
    new Source('x', (t) => told.push(t.kind === 'up' ? `up ${t.again}` : t.kind === 'event' ? t.event : t.kind));
    const last = () => Fake.all[Fake.all.length - 1]!;
    last().onopen!();
    last().onerror!();
    expect(Fake.all[0]!.closed).toBe(true);
    vi.advanceTimersByTime(700);
    last().onopen!();
    vi.advanceTimersByTime(40_000); // nothing is heard
    vi.advanceTimersByTime(700);
    last().onopen!();
    last().dispatchEvent(new MessageEvent('view', { data: '{}' }));
    last().dispatchEvent(new MessageEvent('bye', { data: '{}' }));
    vi.advanceTimersByTime(600_000);
    expect(told).toEqual(['up false', 'down', 'up true', 'down', 'up true', 'view', 'bye']);
    expect(Fake.all).toHaveLength(3);
  });
  test('tries at once where somebody has come', async () => {
    const { Source } = await import('../src/source');
    const source = new Source('x', () => undefined);
    source.hurry();
    expect(Fake.all).toHaveLength(1);
    Fake.all[0]!.onerror!();
    source.hurry();
    expect(Fake.all).toHaveLength(2);
    vi.advanceTimersByTime(20_000);
    expect(Fake.all).toHaveLength(2);
    source.close();
  });
  test('waits longer from try to try', () => {
    expect([wait(0, 0), wait(3, 0), wait(99, 0), wait(99, 1)]).toEqual([500, 4000, 15_000, 20_000]);
  });
});
