/** The page at /console: how to connect, and where operators find the admin API. The console proper will take its place. */
export const LANDING_PAGE = `<!doctype html>
<html lang="en">
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
<p class="lead">A gateway for the OpenAI Responses API. It is running.</p>
<h2>Connect Codex CLI</h2>
<p>In <code>~/.codex/config.toml</code>, with the address of this page as <code>base_url</code>:</p>
<pre>model = "gpt-5.5"
model_provider = "tollgate"

[model_providers.tollgate]
name = "Tollgate"
base_url = "http://127.0.0.1:8080/v1"
env_key = "TOLLGATE_KEY"
wire_api = "responses"</pre>
<p>Then <code>export TOLLGATE_KEY=sk-tg-…</code> with the key that your operator gave you.</p>
<h2>For operators</h2>
<ul>
  <li><a href="/admin/docs">Admin API</a>: keys, groups, models, upstreams, the request log, usage</li>
  <li><a href="/readyz">Readiness</a> and <a href="/metrics">metrics</a></li>
</ul>
</html>
`;
