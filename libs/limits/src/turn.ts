import type { Subject } from './subject.js';

/** Waits for a place of a subject; false when the time is over or nobody waits any more. Whoever had its turn stays the first. */
export function turn(subject: Subject, isFirst: boolean, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (hasTurn: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      const index = subject.waiting.indexOf(onTurn);
      if (index !== -1) subject.waiting.splice(index, 1);
      resolve(hasTurn);
    };
    const onTurn = () => end(true);
    const onAbort = () => end(false);
    const timer = setTimeout(() => end(false), ms);
    signal.addEventListener('abort', onAbort, { once: true });
    if (isFirst) subject.waiting.push(onTurn);
    else subject.waiting.unshift(onTurn);
    subject.wakeNext();
  });
}
