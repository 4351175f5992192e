// The views of who is not logged in, one for each mode of the server's.
import { useState } from 'preact/hooks';
import { Failure, post } from './api';
import { here, whoAmI } from './state';
import type { Me } from './types';

function TokenForm({ label, hint }: { label: string; hint: string }) {
  const [error, setError] = useState(''), [busy, setBusy] = useState(false);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = e.currentTarget as HTMLFormElement, field = form.elements.namedItem('token') as HTMLInputElement, token = field.value.trim();
    if (!token) return setError('The token is empty.');
    setBusy(true);
    setError('');
    try {
      await post('auth/login', { token });
      await whoAmI();
    } catch (failed) {
      setError(failed instanceof Failure && failed.code === 401 ? `This token is not accepted: ${failed.message}` : (failed as Error).message);
      field.value = '';
      field.focus();
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <label for="token">{label}</label>
      <input id="token" name="token" type="password" autoComplete="off" spellcheck={false} autoFocus aria-describedby="token-hint token-error" aria-invalid={error !== ''} />
      <p id="token-hint" class="faint">{hint}</p>
      <p id="token-error" class="error" role="alert">{error}</p>
      <button type="submit" class="main" disabled={busy}>{busy ? 'Logging in …' : 'Log in'}</button>
    </form>
  );
}

export function Login({ asked }: { asked: Me }) {
  return (
    <main id="main" class="login">
      <h1 tabIndex={-1}>Log in</h1>
      {asked.mode === 'oidc' && (
        <>
          <p>Your organisation's login says who you are; the cluster's RBAC says what you may see and do.</p>
          <p><a class="button main" href={`${asked.login ?? 'auth/login'}?to=${encodeURIComponent(here())}`}>Log in</a></p>
        </>
      )}
      {asked.mode === 'token' && (
        <TokenForm label="Token of a service account, or of yours" hint="As kubectl create token NAME -n NAMESPACE writes it. The page can do what this account can do." />
      )}
      {asked.mode === 'local' && (
        <TokenForm label="One-time token" hint="kubectl sluice dashboard, or the operator's log, has an address with it. Each is good once." />
      )}
      {asked.mode === 'proxy' && <p>The proxy in front of this page has not said who you are. Open the page by the proxy's address.</p>}
      {asked.error && asked.mode === 'proxy' && <p class="error" role="alert">{asked.error}</p>}
    </main>
  );
}
