/**
 * A base URL as it is stored: http or https, without query, fragment, user or slash at its end. A bare host gets `/v1`,
 * where every OpenAI-compatible server has its routes. null when the text is no such URL.
 */
export function normalizeBaseUrl(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return null;
  if (url.username || url.password || url.search || url.hash) return null;
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.origin}${path === '' ? '/v1' : path}`;
}
