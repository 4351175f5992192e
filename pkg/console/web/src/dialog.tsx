// The confirmation of an action, and what the operator answers.
import { useEffect, useRef, useState } from 'preact/hooks';
import { canaryApi, post } from './api';
import { upgrade } from './format';
import { outdated, type Asked } from './link';
import { about, actions, analysing, impossible, stepText } from './plan';
import { worded } from './state';
import type { Detail } from './types';

/** How long the operator is waited for before the page says so, in milliseconds. */
const patience = 20_000;

type Progress = { at: 'asking' } | { at: 'sending' } | { at: 'sent'; id: string; late: boolean } | { at: 'failed'; text: string };

export function Confirm({ asked, detail: d, byLink, close }: { asked: Asked; detail: Detail; byLink: boolean; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [progress, setProgress] = useState<Progress>({ at: 'asking' });
  // Where there is no pause to leave, the step that runs is what somebody wants to end; a link does not choose that.
  const skipsStep = asked.verb === 'promote' && d.allowed.promote !== '' && d.can['skip-step'] === true && analysing(d.phase);
  const [reason, setReason] = useState(''), [skip, setSkip] = useState(skipsStep && !byLink), [gates, setGates] = useState(false), [run, setRun] = useState(0);
  // What it is about is what was on the page when it was opened, so that a click that comes late is about nothing newer.
  const [subject] = useState(() => ({ revision: asked.revision ?? about(d).revision, step: asked.step ?? about(d).step }));
  const verb = asked.verb, { label, does, grave } = actions[verb];

  useEffect(() => {
    dialog.current!.showModal();
  }, []);
  const id = progress.at === 'sent' ? progress.id : '';
  useEffect(() => {
    if (!id) return undefined;
    const timer = setTimeout(() => setProgress((p) => (p.at === 'sent' ? { ...p, late: true } : p)), patience);
    return () => clearTimeout(timer);
  }, [id]);

  const answer = id && d.action?.id === id ? d.action : undefined;
  const asking = progress.at === 'asking' || progress.at === 'failed' || progress.at === 'sending';
  const over = asking ? outdated(verb, subject, d) : '';
  const no = skipsStep && skip && d.can.promote ? '' : impossible(d, verb);
  const former = (d.runs ?? []).filter((r) => (r.outcome === 'Promoted' || r.outcome === 'FastPromoted') && r.number !== d.run?.number);

  const send = async (e: SubmitEvent) => {
    e.preventDefault();
    if (over || no || progress.at === 'sending') return;
    setProgress({ at: 'sending' });
    try {
      const sent = await post<{ id: string }>(`api/v1/${canaryApi(d.namespace, d.name)}/actions`, {
        verb, ...subject, ...(reason.trim() && { reason: reason.trim() }), ...(run && { run }), ...(skip && skipsStep && { skipStep: true }), ...(gates && { overrideGates: true }),
      });
      setProgress({ at: 'sent', id: sent.id, late: false });
    } catch (failed) {
      setProgress({ at: 'failed', text: worded(failed) });
    }
  };

  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-title" onClose={close}>
      <form onSubmit={send}>
        <h2 id="confirm-title">{label}: {d.namespace}/{d.name}</h2>
        {byLink && asking && <p class="faint">A link asks for this. Nothing is done before you confirm it.</p>}
        <p>{does}</p>
        <dl class="facts">
          <dt>Action</dt><dd><code>{verb}</code></dd>
          <dt>Revision</dt><dd><code>{subject.revision || 'not known'}</code></dd>
          <dt>Step</dt><dd>{stepText({ number: subject.step, of: d.step.of, ...(subject.step === d.step.number && d.step.name ? { name: d.step.name } : {}) }) || 'none'}</dd>
          <dt>Images</dt><dd>{(!over && upgrade(d.run?.from, d.run?.images)) || 'not known'}</dd>
        </dl>
        {asking && (
          <>
            {over && <p class="error" role="alert">{over} It cannot be confirmed any more.</p>}
            {!over && no && <p class="error" role="alert">This is not possible: {no}.</p>}
            {!over && skipsStep && <label class="check"><input type="checkbox" checked={skip} onChange={(e) => setSkip(e.currentTarget.checked)} /> End the step that runs before its time</label>}
            {!over && verb === 'promote-full' && d.can.override && <label class="check"><input type="checkbox" checked={gates} onChange={(e) => setGates(e.currentTarget.checked)} /> Pass the gates that are left</label>}
            {!over && verb === 'rollback' && former.length > 0 && (
              <label>Back to{' '}
                <select value={String(run)} onChange={(e) => setRun(Number(e.currentTarget.value))}>
                  <option value="0">what it ran before</option>
                  {former.map((r) => <option key={r.number} value={String(r.number)}>run {r.number}: {r.images || r.revision}</option>)}
                </select>
              </label>
            )}
            {!over && <label class="reason">Reason, which is kept with the action<textarea rows={2} maxLength={500} value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></label>}
            {progress.at === 'failed' && <p class="error" role="alert">Not asked for: {progress.text}</p>}
          </>
        )}
        <div role="status" class="answer">
          {progress.at === 'sent' && !answer && <p>◌ Asked for. Waiting for the operator's answer …{progress.late && ' It has not answered yet: is it running? The action is void after 10 minutes.'}</p>}
          {answer && <p class={answer.result === 'Accepted' ? 'good' : 'error'}>{answer.result === 'Accepted' ? '✔' : '✖'} {answer.result || 'Answered'}{answer.message ? `: ${answer.message}` : ''}</p>}
        </div>
        <p class="buttons">
          <button type="button" onClick={() => dialog.current!.close()}>{asking ? 'Cancel' : 'Close'}</button>
          {asking && !over && <button type="submit" class={grave ? 'main grave' : 'main'} disabled={no !== '' || progress.at === 'sending'}>{progress.at === 'sending' ? 'Asking …' : label}</button>}
        </p>
      </form>
    </dialog>
  );
}
