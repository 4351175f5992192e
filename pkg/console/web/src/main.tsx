// The page: who reads and where they are decide what is shown.
import '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { post } from './api';
import { CanaryPage } from './canary';
import { ListPage } from './list';
import { Login } from './login';
import { RunPage } from './run';
import { begin, login, lost, me, place, said, trouble, whoAmI } from './state';
import './style.css';

function Here() {
  const p = place.value;
  useEffect(() => {
    if (p.page === 'list') document.title = 'Sluice';
  }, [p.page]);
  switch (p.page) {
    case 'list': return <ListPage query={p.query} />;
    case 'canary': return <CanaryPage key={`${p.namespace}/${p.name}`} namespace={p.namespace} name={p.name} asked={p.asked} />;
    case 'run': return <RunPage namespace={p.namespace} name={p.name} number={p.number} />;
    default: return <main id="main"><h1 tabIndex={-1}>There is no such page</h1><p><a href="./">All Canaries</a></p></main>;
  }
}

async function logout(): Promise<void> {
  try {
    await post('auth/logout');
  } finally {
    await whoAmI();
  }
}

const skip = (e: MouseEvent) => {
  e.preventDefault();
  document.querySelector<HTMLElement>('h1')?.focus();
};

function Page() {
  const who = me.value;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>To the content</a>
      <header>
        <a class="brand" href="./">Sluice</a>
        {who?.cluster && <span class="cluster">{who.cluster}</span>}
        <span class="space" />
        {who?.user && <span class="user" title={who.groups?.join(', ')}>{who.user}</span>}
        {who && (who.mode === 'token' || who.mode === 'oidc') && <button type="button" class="plain" onClick={() => void logout()}>Log out</button>}
      </header>
      <div role="status" class="connection">{lost.value && who && <p>◌ Connection lost, trying again … What you see may be old.</p>}</div>
      {trouble.value && <main id="main"><h1 tabIndex={-1}>Sluice does not answer</h1><p class="error" role="alert">{trouble.value} <button type="button" onClick={() => void whoAmI()}>Try again</button></p></main>}
      {login.value && <Login asked={login.value} />}
      {who && <Here />}
      <footer class="faint">{who?.version && <>Sluice {who.version}. </>}{who && !who.policies && 'Who did what is a claim: the admission policies are not in force.'}</footer>
      <div class="unseen" aria-live="polite">{said.value}</div>
    </>
  );
}

/** The one-time token of `kubectl sluice dashboard` comes behind the address's #, which no server and no log sees. */
async function enter(): Promise<void> {
  const token = /^#token=([A-Za-z0-9._~-]+)$/.exec(location.hash)?.[1];
  if (token) {
    history.replaceState(null, '', location.pathname + location.search);
    await post('auth/login', { token }).catch(() => undefined); // the login that follows says what is wrong
  }
  await whoAmI();
}

begin();
const root = document.getElementById('page')!;
void enter().then(() => {
  root.textContent = '';
  render(<Page />, root);
});
