/** How Codex CLI is told of a key: its config.toml, and the variable with the key. */
export function codexConfig(url: string, model: string, secret: string): string {
  return `# ~/.codex/config.toml
model = ${JSON.stringify(model)}
model_provider = "tollgate"

[model_providers.tollgate]
name = "Tollgate"
base_url = ${JSON.stringify(`${url}/v1`)}
env_key = "TOLLGATE_KEY"
wire_api = "responses"

# in the shell
export TOLLGATE_KEY=${secret}`;
}
