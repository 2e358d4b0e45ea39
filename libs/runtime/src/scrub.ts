/** What looks like a secret, each with what is left of it. Formats, not values: nobody holds the values that clients send. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  // Keys and tokens by their prefix: ours, OpenAI's, and those of neighbours that get into prompts and headers.
  [/\b((?:sk|sess|tga|whsec)[-_][A-Za-z0-9]{0,4})[A-Za-z0-9_-]{6,}/g, '$1…'],
  [/\b(gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AKIA|ASIA|AIza|npm_|hf_)[A-Za-z0-9_-]{10,}/g, '$1…'],
  // JSON web tokens.
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?/g, 'eyJ…'],
  [/\b((?:set-)?cookie|(?:proxy-)?authorization|x-api-key)(["']?\s*[:=]\s*["']?)[^\r\n"']+/gi, '$1$2…'],
  [/\b(bearer|basic)\s+[^\s"',;]{4,}/gi, '$1 …'],
  // User and password of a URL; its query, and that of a path.
  [/(:\/\/)[^\s/@"'<>]*@/g, '$1…@'],
  [/(\/[^\s?"'<>(){}]*\?)[^\s"'<>(){}]+/g, '$1…'],
  [
    /\b((?:(?:api|access|secret|private|auth)[-_]?)?(?:key|token|secret)|password|passwd)(["']?\s*[=:]\s*["']?)[^\s"'&,;)}]{4,}/gi,
    '$1$2…',
  ],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, '-----PRIVATE KEY…'],
];

/** Something of each of them: ordinary text costs one look. */
const SUSPECT =
  /(?:sk|sess|tga|whsec|gh[pousr]|pat|xox\w|npm|hf)[-_]|AKIA|ASIA|AIza|eyJ|cookie|authoriz|bearer|basic|:\/\/|\?|key|token|secret|passw/i;

/**
 * Strikes out what looks like a key, a token, a cookie or a password, and the queries of URLs: for every text that is kept where
 * others than its sender read it, such as the process log and the request log.
 */
export function scrub(text: string): string {
  if (!SUSPECT.test(text)) return text;
  let scrubbed = text;
  for (const [secret, rest] of SECRETS) scrubbed = scrubbed.replace(secret, rest);
  return scrubbed;
}
