// Where a rollout is in its plan, why it goes no further, and what can be done: in words.
import { ago, countdown, duration, upgrade } from './format';
import type { Detail, PlannedStep, Row } from './types';

export const verbs = ['promote', 'override', 'promote-full', 'pause', 'resume', 'abort', 'retry', 'rollback'] as const;
export type Verb = (typeof verbs)[number];

export const isVerb = (verb: string | null): verb is Verb => (verbs as readonly string[]).includes(verb ?? '');

/** What people know an action by, and what comes of it. */
export const actions: Record<Verb, { label: string; does: string; grave?: boolean }> = {
  promote: { label: 'Promote', does: 'Leaves this pause. The rollout goes on when one more check has passed.' },
  override: { label: 'Open the gate', does: 'Passes this gate once.' },
  'promote-full': { label: 'Promote in full', does: 'Promotes at once, without the steps that are left and without a bake.', grave: true },
  pause: { label: 'Hold', does: 'Holds the rollout at its step. The canary goes on being judged, and is rolled back if it fails.' },
  resume: { label: 'Resume', does: 'Ends the hold. The rollout goes on.' },
  abort: { label: 'Abort', does: 'Rolls back: all requests go to the primary. This revision is not tried again by itself.', grave: true },
  retry: { label: 'Retry', does: 'Tries the same revision again, from its first step.' },
  rollback: { label: 'Roll back', does: 'The primary returns to what it ran before. The target, and Git, keep the revision.', grave: true },
};

export type Standing = 'done' | 'present' | 'ahead';

/** Where a step of the plan stands. */
export function standing(step: PlannedStep, d: Pick<Detail, 'step' | 'phase'>): Standing {
  if (d.phase === 'Promoting' || d.phase === 'Finalising' || d.phase === 'Succeeded') return 'done';
  if (!underWay(d.phase) || d.step.number === 0) return 'ahead';
  return step.number < d.step.number ? 'done' : step.number === d.step.number ? 'present' : 'ahead';
}

export const analysing = (phase: string) => phase === 'Progressing' || phase === 'WaitingPromotion';
export const underWay = (phase: string) => analysing(phase) || phase === 'Promoting' || phase === 'Finalising';
export const unfinished = (phase: string) => underWay(phase) || phase === 'Initializing' || phase === 'Waiting';

/** What a step waits for, as the plan has it. */
export function pauseText(pause: string | undefined): string {
  if (!pause) return '';
  return pause.split(', ').map((p) => (p === 'person' ? 'then a person says go on' : p === 'yes' ? 'then a pause' : `then ${p.replace(' then ', ', then ')}`)).join(', ');
}

/** The time until the present step or pause ends by itself; empty: it does not, or it is over. */
export function left(d: Pick<Detail, 'stepUntil'>, now: number): string {
  if (!d.stepUntil) return '';
  const ms = Date.parse(d.stepUntil) - now;
  return ms > 0 ? countdown(ms) : '';
}

/** The revision and step that an action is about. */
export const about = (d: Detail) => d.about ?? { revision: d.run?.revision ?? '', step: d.step.number };

export const stepText = (step: { number: number; of: number; name?: string }) =>
  step.number === 0 && step.of === 0 ? '' : `step ${step.number}${step.of ? ` of ${step.of}` : ''}${step.name ? ` (${step.name})` : ''}`;

/** What a Canary does, in a sentence. */
export function doing(d: Detail, now: number): string {
  const run = d.run, images = run ? upgrade(run.from, run.images) : '';
  const what = images || (run ? `revision ${run.revision}` : '');
  switch (d.phase) {
    case '': return 'The operator has not looked at it yet.';
    case 'Initializing': return 'The primary is being made; no rollout is under way.';
    case 'Initialized': return 'The primary serves. There was no rollout yet.';
    case 'Waiting': return `A new revision waits to begin: ${what}.`;
    case 'Progressing': case 'WaitingPromotion': {
      const share = d.matched ? ' of those that fit' : '';
      return `Judging ${what}: ${d.weight} % of requests${share} go to the canary${d.step.number ? `, ${stepText(d.step)}` : ''}.`;
    }
    case 'Promoting': return `The canary has passed. The primary is being given ${what}.`;
    case 'Finalising': return `The primary runs ${what}; the canary is being scaled down.`;
    case 'Succeeded': return run?.finished ? `${what} serves everybody since ${ago(run.finished, now)}.`.replace(' ago.', '.') : 'The primary serves everybody.';
    case 'Failed': return run ? `${what} was not promoted. The primary serves everybody.` : 'The last rollout failed. The primary serves everybody.';
    case 'Terminating': case 'Terminated': return 'The Canary is being deleted; the target is given back.';
    default: return d.phase;
  }
}

/** Why a Canary goes no further, in a sentence. */
export function why(d: Detail, now: number): string {
  if (d.suspended) return 'It is suspended: spec.suspend is true. Git, or whoever set it, takes it back.';
  if (d.held) return `It is held by ${d.held.by || 'somebody'} since ${duration(now - Date.parse(d.held.since))}${d.held.reason ? `: ${d.held.reason}` : ''}.`;
  if (d.waiting) {
    const what = d.waiting.for || 'it waits', whole = what.endsWith('.'); // a sentence of the condition's
    const since = d.waiting.since.startsWith('0001-') ? '' : `since ${duration(now - Date.parse(d.waiting.since))}`;
    const end = !since ? (whole ? '' : '.') : whole ? ` S${since.slice(1)}.` : `, ${since}.`;
    return `${d.waiting.reason}: ${what}${end}${d.problem ? ` ${d.problem}` : ''}`;
  }
  if (d.problem) return d.problem;
  const time = left(d, now);
  if (underWay(d.phase) && time) return `This step lasts ${time} more, and ends with a check that passes.`;
  if (d.phase === 'Succeeded' || d.phase === 'Initialized') return 'Nothing is waited for but a new revision.';
  return underWay(d.phase) ? 'Nothing holds it: it goes on with the next check.' : 'Nothing is waited for.';
}

/** Why an action is not possible for who reads; empty: it is. */
export function impossible(d: Detail, verb: Verb): string {
  if (!d.can[verb]) return `you may not: this takes the verb ${verb} on canaries.flagger.app in namespace ${d.namespace}`;
  const reason = d.allowed[verb];
  return reason === undefined ? 'the operator does not know this action' : reason;
}

/** The action that a wait calls for. */
export function wanted(w: Row['waiting']): Verb | undefined {
  if (!w?.person) return undefined;
  if (w.reason.endsWith('Approval')) return 'override';
  if (w.reason === 'Held') return 'resume';
  return w.reason === 'Suspended' ? undefined : 'promote';
}

/** What can be done, in a sentence. */
export function whatToDo(d: Detail): string {
  const possible = verbs.filter((v) => impossible(d, v) === '');
  const verb = wanted(d.waiting);
  if (verb && possible.includes(verb)) return `It waits for you: ${actions[verb].label.toLowerCase()}, or another of these.`;
  if (verb && !d.can[verb]) return `It waits for somebody who has the verb ${verb}.`;
  if (d.waiting?.reason === 'Suspended') return 'Take back spec.suspend where the Canary is written.';
  if (possible.length > 0) return d.waiting?.person ? 'It waits for a person.' : 'Nothing has to be done. You may:';
  return d.state === 'Degraded' ? 'Mend the cause below; a new revision starts a rollout.' : 'Nothing has to be done.';
}

/** What is said aloud when a rollout gets somewhere. */
export function announced(d: Detail): string {
  const words = [`${d.name}: ${d.phase || 'Unknown'}`];
  if (unfinished(d.phase) && d.phase !== 'Initializing') words.push(`${d.weight} %`);
  if (d.step.number && underWay(d.phase)) words.push(stepText(d.step));
  if (d.waiting) words.push(d.waiting.for || d.waiting.reason);
  else if (d.problem) words.push(d.problem);
  return words.join(', ');
}
