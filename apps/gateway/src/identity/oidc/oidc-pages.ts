import type { AdminProblem } from '../../http/admin-problem.js';

/** Nothing of the page is loaded from anywhere, nor shown within another one. */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
};

/**
 * What a browser gets that comes back from the provider. The cookie of a session is SameSite=Strict, and is not sent while a browser
 * follows a navigation that another site has begun, redirects included: behind a 302 the console would take him for a stranger.
 * This page is ours, so the navigation that it begins is of the same site.
 */
export const SIGNED_IN_PAGE = page(
  'Signed in',
  '<meta http-equiv="refresh" content="0; url=/console">',
  '<p><a href="/console">Go on to the console</a></p>',
);

/** Why somebody was not let in, and what to do. */
export function problemPage({ title, message }: AdminProblem): string {
  const links =
    '<p><a href="/admin/v1/oidc/login">Begin again</a>, or <a href="/console">sign in in another way</a>.</p>';
  return page(escaped(title), '', `<p>${escaped(message)}</p>\n${links}`);
}

function page(title: string, head: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${head}
<title>${title} · Tollgate</title>
<h1>${title}</h1>
${body}
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
