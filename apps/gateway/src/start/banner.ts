export interface BannerFacts {
  url: string;
  /** null: it was told at the first start. */
  madeAdminToken: string | null;
  /** For whoever becomes the first owner; null: there are operators. */
  setupToken: string | null;
  demoKey: string | null;
  isSimulated: boolean;
}

/** What a person reads after `npm start`. */
export function banner({ url, madeAdminToken, setupToken, demoKey, isSimulated }: BannerFacts): string {
  const lines = [
    '',
    `  Tollgate is running at ${url}`,
    '',
    `  Console       ${url}/console`,
    `  Admin API     ${url}/admin/docs`,
  ];
  if (setupToken) lines.push(`  First owner   ${url}/console/setup?token=${setupToken}   (for 30 minutes)`);
  if (madeAdminToken) lines.push(`  Admin token   ${madeAdminToken}   (shown this once: keep it)`);
  if (demoKey) lines.push(`  Demo API key  ${demoKey}`);
  lines.push('', '  Try it:', '', ...curl(url, demoKey ?? 'YOUR_API_KEY').map((line) => `  ${line}`), '');
  if (isSimulated) {
    lines.push('  Answers come from the bundled simulator until you add an upstream (POST /admin/v1/upstreams).', '');
  }
  return lines.join('\n');
}

function curl(url: string, key: string): string[] {
  return [
    `curl -N ${url}/v1/responses \\`,
    `  -H "Authorization: Bearer ${key}" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '{"model": "gpt-5.5", "input": "Explain this repository in three bullet points.", "stream": true}'`,
  ];
}
