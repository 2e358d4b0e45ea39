import type { AddressPolicy, Service } from './address-policy.js';

/** How long a name may take to resolve when an address is saved. */
const RESOLVE_LIMIT_MS = 2_000;
const NO_BASE_URL = 'must be an http(s) URL without user, query, fragment, white space or backslash';

/**
 * A base URL as it is stored: http or https, without query, fragment, user or slash at its end. A bare host gets `/v1`,
 * where every OpenAI-compatible server has its routes. null when the text is no such URL.
 */
export function normalizeBaseUrl(text: string): string | null {
  // The URL parser drops some of these and takes others for slashes: the host would not be the one that people read.
  if (/[\s\p{Cc}\\]/u.test(text)) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return null;
  if (url.username || url.password || url.search || url.hash) return null;
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.origin}${path === '' ? '/v1' : path}`;
}

/**
 * Checks a base URL that somebody enters. A name that cannot be resolved now is taken: every connect is checked again.
 *
 * @returns the URL as it is stored, or what is wrong with it as the rest of a sentence that begins with the field's name
 */
export async function checkBaseUrl(
  text: string,
  policy: AddressPolicy,
): Promise<{ readonly baseUrl: string } | { readonly problem: string }> {
  const baseUrl = normalizeBaseUrl(text);
  if (baseUrl === null) return { problem: NO_BASE_URL };
  const refusal = await addressRefusal(new URL(baseUrl), policy);
  return refusal === null ? { baseUrl } : { problem: refusal };
}

/** What is wrong with a proxy's URL that somebody enters; null when nothing is. Unlike a base URL it may name a user. */
export async function checkProxyUrl(text: string, policy: AddressPolicy): Promise<string | null> {
  const url = URL.canParse(text) && !/[\s\p{Cc}\\]/u.test(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.pathname.length > 1) {
    return 'must be an http(s) URL without path, query or fragment';
  }
  return addressRefusal(url, policy);
}

/**
 * Why the address of a URL that somebody enters must not be connected to, as the rest of a sentence that begins with the
 * field's name; null: it may, or its name cannot be resolved now.
 */
export async function addressRefusal(url: URL, policy: AddressPolicy): Promise<string | null> {
  const refusal = await policy.refusal(serviceOf(url), hostOf(url), RESOLVE_LIMIT_MS);
  return refusal === 'unresolved' ? null : refusal;
}

/** What a URL asks for at its host. */
export function serviceOf({ protocol, port }: URL): Service {
  const isTls = protocol === 'https:';
  return { isTls, port: port === '' ? (isTls ? 443 : 80) : Number(port) };
}

/** The host of a URL as sockets want it: IPv6 addresses without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}
