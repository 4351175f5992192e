// The steps of a plan, and which of them is in effect.
import { left, pauseText, standing, type Standing } from './plan';
import { now } from './state';
import type { Detail, PlannedStep } from './types';

const words: Record<Standing, string> = { done: '✔ done', present: '▶ now', ahead: '' };

type Where = Pick<Detail, 'phase' | 'step' | 'stepUntil' | 'waiting' | 'interval'>;

export function PlanTable({ d, plan }: { d: Where & { plan: PlannedStep[] }; plan?: PlannedStep[] }) {
  const steps = plan ?? d.plan;
  if (steps.length === 0) return <p class="faint">The plan is not known.</p>;
  return (
    <>
      <ol class="steps">
        {steps.map((s) => {
          const at = standing(s, d), time = at === 'present' ? left(d, now.value) : '';
          return (
            <li key={s.number} class={at} aria-current={at === 'present' ? 'step' : undefined}>
              <span class="number">{s.number}</span>
              <span class="what">
                <strong>{s.bake ? 'Bake: ' : ''}{s.mirror ? `mirrors requests${s.weight ? `, ${s.weight} %` : ''}` : `${s.weight} %`}</strong>{s.name && ` ${s.name}`}
                <span class="faint">
                  {' '}{[s.duration && `at least ${s.duration}`, pauseText(s.pause), s.scale, s.metrics?.length && `judged by ${s.metrics.join(', ')}`].filter(Boolean).join(', ')}
                </span>
              </span>
              <span class="standing">{words[at]}{time && <> <span class="time" role="timer">{time} left</span></>}{at === 'present' && d.waiting?.person && ' ‖ waits'}</span>
            </li>
          );
        })}
      </ol>
      {d.interval && <p class="faint">A check each {d.interval.replace(/(\d[hm])0s$/, '$1')}. A step ends with a check that passes.</p>}
    </>
  );
}
