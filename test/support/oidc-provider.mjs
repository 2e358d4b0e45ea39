// An OpenID provider in a process of its own. Where it waits for a person, it takes the word of the browser: /interaction/…?account=ann.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  process.send({ issuer: `http://127.0.0.1:${server.address().port}` });
});

/** @type {Map<string, object>} claims by account */
const accounts = new Map();

process.on('message', (message) => {
  for (const [id, claims] of Object.entries(message.accounts ?? {})) accounts.set(id, claims);
  if (message.clients) serve(message.clients);
  process.send({ done: true });
});

function serve(clients) {
  const provider = new Provider(`http://127.0.0.1:${server.address().port}`, {
    clients,
    claims: { email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, ...accounts.get(accountId) }) }),
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    pkce: { required: () => true },
    cookies: { keys: ['a key of the tests'] },
    // Nobody is asked whether the gateway may know what he is called.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
    if (!pathname.startsWith('/interaction/')) return answer(request, response);
    const account = searchParams.get('account');
    if (account === null) return response.end('Who are you?');
    const result =
      account === 'nobody'
        ? { error: 'access_denied', error_description: 'no, thank you' }
        : { login: { accountId: account } };
    void provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
}
