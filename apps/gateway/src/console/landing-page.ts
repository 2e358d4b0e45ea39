const TEXTS = {
  en: {
    lead: 'A gateway for the OpenAI Responses API. It is running.',
    codex: 'Connect Codex CLI',
    config: 'In <code>~/.codex/config.toml</code>:',
    key: 'Then set the key that your operator gave you:',
    operators: 'For operators',
    admin: 'keys, groups, models, upstreams, the request log, usage',
  },
  zh: {
    lead: 'OpenAI Responses API 网关，正在运行。',
    codex: '接入 Codex CLI',
    config: '在 <code>~/.codex/config.toml</code> 中：',
    key: '然后设置管理员发给你的 Key：',
    operators: '运维入口',
    admin: 'Key、分组、模型、上游、请求日志、用量',
  },
};

/** The page at /console until the console proper takes its place: how to connect, and where operators find the admin API. */
export function landingPage(origin: string, language: keyof typeof TEXTS): string {
  const text = TEXTS[language];
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tollgate</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 44rem; margin: 4rem auto; padding: 0 1.5rem; }
  pre { padding: 1rem; border-radius: .5rem; overflow-x: auto; background: color-mix(in srgb, CanvasText 8%, Canvas); }
  h1 { margin-bottom: .25rem; } p.lead { margin-top: 0; opacity: .75; }
</style>
<h1>Tollgate</h1>
<p class="lead">${text.lead}</p>
<h2>${text.codex}</h2>
<p>${text.config}</p>
<pre>model = "gpt-5.5"
model_provider = "tollgate"

[model_providers.tollgate]
name = "Tollgate"
base_url = "${origin}/v1"
env_key = "TOLLGATE_KEY"
wire_api = "responses"</pre>
<p>${text.key}</p>
<pre>export TOLLGATE_KEY=sk-tg-…</pre>
<h2>${text.operators}</h2>
<ul>
  <li><a href="/admin/docs">Admin API</a>: ${text.admin}</li>
  <li><a href="/readyz">/readyz</a>, <a href="/metrics">/metrics</a></li>
</ul>
</html>
`;
}
