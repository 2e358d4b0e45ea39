/** Whether the bytes from `start` on, and before `end`, begin with an ASCII text. For short texts, without a copy. */
export function startsWithAscii(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}
