// Charts. Behind each of them is a table with the same numbers, by the caller.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { limits } from './format';
import { actions, isVerb } from './plan';
import type { Action, Measured, Point } from './types';

const dark = matchMedia('(prefers-color-scheme: dark)');

const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

type Make = (width: number) => { options: Omit<uPlot.Options, 'width'>; data: uPlot.AlignedData };

/** Draws a chart, and draws it anew when its data, its width or the colours change. */
function Plot({ make, label, seed }: { make: Make; label: string; seed: string }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const at = box.current!;
    let plot: uPlot | undefined, width = 0;
    const draw = () => {
      const w = Math.floor(at.clientWidth);
      if (w === 0) return;
      plot?.destroy();
      width = w;
      const { options, data } = make(w);
      plot = new uPlot({ ...options, width: w }, data, at);
    };
    const resized = new ResizeObserver(() => Math.floor(at.clientWidth) !== width && draw());
    resized.observe(at);
    draw();
    dark.addEventListener('change', draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [seed]);
  return <div class="plot" role="img" aria-label={label} ref={box} />;
}

const seconds = (at: string) => Date.parse(at) / 1000;

const pad = (n: number) => String(n).padStart(2, '0');

/** Labels of a time axis in 24 hours, with the day where it begins. */
const times: uPlot.Axis['values'] = (_u, splits, _i, _space, step) =>
  splits.map((s) => {
    const d = new Date(s * 1000);
    if (step >= 86_400) return `${d.getMonth() + 1}-${pad(d.getDate())}`;
    return `${pad(d.getHours())}:${pad(d.getMinutes())}${step < 60 ? `:${pad(d.getSeconds())}` : ''}`;
  });

function axis(size: number): uPlot.Axis {
  return {
    stroke: color('--faint'), grid: { stroke: color('--line'), width: 1 }, ticks: { stroke: color('--line'), width: 1, size: 4 },
    font: '12px system-ui, sans-serif', size,
  };
}

function dashed(u: uPlot, x0: number, y0: number, x1: number, y1: number, stroke: string): void {
  const c = u.ctx;
  c.save();
  c.beginPath();
  c.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  c.lineWidth = 1.5 * devicePixelRatio;
  c.strokeStyle = stroke;
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.stroke();
  c.restore();
}

/** Room between labels that would be written over each other. */
const apart = 90;

interface WeightProps { track: Point[]; acts: Action[]; planned: number; until: number; failures: string[] }

/** The canary's share over a run: stepped, with what people did and when checks failed, and the greatest share that is planned. */
export function WeightChart({ track, acts, planned, until, failures }: WeightProps) {
  const make: Make = () => {
    const xs = track.map((p) => seconds(p.at)), ys: number[] = track.map((p) => p.weight);
    const end = Math.max(until / 1000, (xs[xs.length - 1] ?? 0) + 1);
    xs.push(end);
    ys.push(ys[ys.length - 1] ?? 0);
    const marks = (u: uPlot) => {
      const c = u.ctx, { left, top, width, height } = u.bbox, r = devicePixelRatio;
      const y = u.valToPos(planned, 'y', true);
      if (planned > 0) dashed(u, left, y, left + width, y, color('--limit'));
      c.save();
      c.font = `${12 * r}px system-ui, sans-serif`;
      c.textBaseline = 'top';
      let free = -Infinity, row = 0;
      for (const a of acts) {
        const x = u.valToPos(seconds(a.at), 'x', true);
        if (x < left || x > left + width) continue;
        dashed(u, x, top, x, top + height, color('--act'));
        row = x < free ? (row + 1) % 2 : 0;
        free = x + apart * r;
        const text = isVerb(a.verb) ? actions[a.verb].label : a.verb;
        const right = x + c.measureText(text).width + 6 * r > left + width;
        c.textAlign = right ? 'right' : 'left';
        c.fillStyle = color('--act');
        c.fillText(text, x + (right ? -4 : 4) * r, top + (2 + row * 13) * r);
      }
      c.fillStyle = color('--bad');
      c.textAlign = 'center';
      c.textBaseline = 'bottom';
      for (const at of failures) {
        const x = u.valToPos(seconds(at), 'x', true);
        if (x >= left && x <= left + width) c.fillText('✖', x, top + height - 2 * r);
      }
      c.restore();
    };
    return {
      data: [xs, ys],
      options: {
        height: 200, legend: { show: false }, cursor: { show: false }, padding: [12, 14, 0, 0],
        scales: { x: { time: true }, y: { range: [0, Math.max(20, planned, ...ys) * 1.25] } },
        axes: [{ ...axis(30), values: times, space: 70 }, { ...axis(48), values: (_u, v) => v.map((n) => (n > 100 ? '' : `${n} %`)) }],
        series: [{}, { stroke: color('--canary'), width: 2, fill: color('--canary-area'), paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false } }],
        hooks: { draw: [marks] },
      },
    };
  };
  const last = track[track.length - 1];
  return (
    <Plot
      make={make} seed={JSON.stringify([track, acts, planned, Math.floor(until / 5000), failures])}
      label={`Weight over time: ${last ? `${last.weight} % at step ${last.step}` : 'nothing yet'}${planned ? `, planned up to ${planned} %` : ''}. The table below has the numbers.`}
    />
  );
}

/** The last values of a metric, its limit, and which of them failed. */
export function Sparkline({ points, limit, name }: { points: Measured[]; limit?: string | undefined; name: string }) {
  const bounds = limits(limit), there = points.filter((p) => p.value !== null);
  if (there.length === 0) return <p class="faint">No value yet.</p>;
  const make: Make = () => {
    // Old measurements may have no times of their own: then they are drawn one after the other.
    const timed = points.every((p, i) => !p.at.startsWith('0001-') && (i === 0 || Date.parse(p.at) > Date.parse(points[i - 1]!.at)));
    const xs = points.map((p, i) => (timed ? seconds(p.at) : i)), ys = points.map((p) => p.value);
    const all = [...there.map((p) => p.value!), ...bounds], low = Math.min(...all), high = Math.max(...all), room = (high - low || Math.abs(high) || 1) * 0.15;
    const marks = (u: uPlot) => {
      const { left, width } = u.bbox, c = u.ctx, r = devicePixelRatio;
      for (const b of bounds) {
        const y = u.valToPos(b, 'y', true);
        dashed(u, left, y, left + width, y, color('--limit'));
      }
      points.forEach((p, i) => {
        if (p.value === null) return;
        const x = u.valToPos(xs[i]!, 'x', true), y = u.valToPos(p.value, 'y', true), failed = p.verdict === 'Failed', s = (failed ? 4 : 2.5) * r;
        c.save();
        c.strokeStyle = c.fillStyle = color(failed ? '--bad' : '--canary');
        c.lineWidth = 2 * r;
        c.beginPath();
        if (failed) {
          c.moveTo(x - s, y - s);
          c.lineTo(x + s, y + s);
          c.moveTo(x + s, y - s);
          c.lineTo(x - s, y + s);
          c.stroke();
        } else {
          c.arc(x, y, s, 0, 2 * Math.PI);
          c.fill();
        }
        c.restore();
      });
    };
    const pad = xs.length === 1 ? 1 : (xs[xs.length - 1]! - xs[0]!) * 0.03;
    return {
      data: [xs, ys],
      options: {
        height: 72, legend: { show: false }, cursor: { show: false }, padding: [4, 4, 4, 4],
        scales: { x: { time: timed, range: [xs[0]! - pad, xs[xs.length - 1]! + pad] }, y: { range: [low - room, high + room] } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: color('--canary'), width: 1.5, points: { show: false }, spanGaps: false }],
        hooks: { draw: [marks] },
      },
    };
  };
  const failed = points.filter((p) => p.verdict === 'Failed').length;
  return (
    <Plot
      make={make} seed={JSON.stringify([points, limit])}
      label={`${name}: ${points.length} values, ${failed} failed${limit ? `, limit ${limit}` : ''}. The table below has them.`}
    />
  );
}
