import { CSRF_HEADER } from '../identity/cross-site.js';

const TEXTS = {
  en: {
    title: 'Set up your account',
    lead: 'By this link you set your password. The first one to do so becomes the owner of this installation.',
    name: 'Name (of the first owner)',
    email: 'E-mail (of the first owner)',
    password: 'Password, at least 12 characters',
    submit: 'Set password and sign in',
    done: 'You are signed in as',
    next: 'Go on to the admin API',
    offline: 'The gateway does not answer. Try again.',
  },
  zh: {
    title: '设置账号',
    lead: '通过此链接设置密码。第一个完成设置的人成为本实例的所有者。',
    name: '姓名（首位所有者填写）',
    email: '邮箱（首位所有者填写）',
    password: '密码，至少 12 个字符',
    submit: '设置密码并登录',
    done: '已登录：',
    next: '前往管理 API',
    offline: '网关没有响应，请重试。',
  },
};

export type PageLanguage = keyof typeof TEXTS;

/** Where a link for the first owner, or an invitation, leads to. */
export function setupPage(language: PageLanguage): string {
  const text = TEXTS[language];
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${text.title} · Tollgate</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 26rem; margin: 4rem auto; padding: 0 1.5rem; }
  label { display: block; margin-top: 1rem; } input { display: block; width: 100%; box-sizing: border-box; padding: .5rem; font: inherit; }
  button { margin-top: 1.5rem; padding: .5rem 1rem; font: inherit; } [role=alert] { color: #c33; }
</style>
<h1>${text.title}</h1>
<p>${text.lead}</p>
<form id="setup" data-done="${text.done}" data-next="${text.next}" data-offline="${text.offline}">
  <label>${text.name}<input name="name" autocomplete="name"></label>
  <label>${text.email}<input name="email" type="email" autocomplete="username"></label>
  <label>${text.password}<input name="password" type="password" minlength="12" required autocomplete="new-password"></label>
  <p role="alert" id="problem"></p>
  <button>${text.submit}</button>
</form>
<script src="/console/setup.js"></script>
</html>
`;
}

/** The page's script: a file of its own, so that the page needs no inline script. */
export const SETUP_SCRIPT = `'use strict';
const form = document.getElementById('setup');
const problem = document.getElementById('problem');
const token = new URLSearchParams(location.search).get('token') ?? '';
// The token does not stay in the address bar, nor in the history.
history.replaceState(null, '', location.pathname);
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  problem.textContent = '';
  const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ''));
  try {
    const answer = await fetch('/admin/v1/setup', {
      method: 'POST',
      headers: { 'content-type': 'application/json', '${CSRF_HEADER}': '1' },
      body: JSON.stringify({ token, ...given }),
    });
    const body = await answer.json();
    if (!answer.ok) return void (problem.textContent = body.detail);
    const link = Object.assign(document.createElement('a'), { href: '/admin/docs', textContent: form.dataset.next });
    const told = document.createElement('p');
    told.append(form.dataset.done + ' ' + body.operator.email + '. ', link);
    form.replaceWith(told);
  } catch {
    problem.textContent = form.dataset.offline;
  }
});
`;
