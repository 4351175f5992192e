// Pieces that several places of the page have.
import type { ComponentChildren } from 'preact';
import { ago, clock, known, signs } from './format';
import { now } from './state';
import type { State } from './types';

/** A state: its sign and a word, and its colour. */
export function StateWord({ state, word }: { state: State; word: string }) {
  return <span class={`state ${state.toLowerCase()}`}><span aria-hidden="true">{signs[state]}</span> {word}</span>;
}

/** How long ago something was; the moment itself is its title. */
export function Ago({ at }: { at: string | undefined }) {
  return known(at) ? <time dateTime={at} title={clock(at)}>{ago(at, now.value)}</time> : null;
}

export function Moment({ at }: { at: string | undefined }) {
  return known(at) ? <time dateTime={at}>{clock(at)}</time> : <>unknown</>;
}

/** The canary's share as a bar with its number. */
export function Weight({ weight, actual }: { weight: number; actual?: number | undefined }) {
  return (
    <span class="weight">
      <span class="bar" aria-hidden="true"><span style={{ width: `${weight}%` }} /></span>
      <span>{weight} %{actual !== undefined && actual !== weight ? ` (actual ${actual} %)` : ''}</span>
    </span>
  );
}

export function Section({ title, children, class: kind = '' }: { title: string; children: ComponentChildren; class?: string }) {
  return <section class={kind}><h2>{title}</h2>{children}</section>;
}

/** A table that scrolls within itself where it is too wide, which the keyboard can do as well. */
export function Table({ head, rows, caption }: { head: string[]; rows: ComponentChildren[][]; caption: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead><tr>{head.map((h) => <th scope="col" key={h}>{h}</th>)}</tr></thead>
        <tbody>{rows.map((r, i) => <tr key={i}>{r.map((c, j) => <td key={j}>{c}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

/** Numbers behind a chart. */
export function Behind({ title, children }: { title: string; children: ComponentChildren }) {
  return <details class="behind"><summary>{title}</summary>{children}</details>;
}
