/** What is presented as a bearer token; null when there is none. The scheme's case does not matter (RFC 9110 §11.1). */
export function bearerToken(authorization: string | undefined): string | null {
  const match = /^bearer +(\S+) *$/i.exec(authorization ?? '');
  return match?.[1] ?? null;
}
