import { eventually } from '../../../../test/support/eventually.js';
import { Admission, ADMISSION_LIMITS, type AdmissionLimits } from './admission.js';

let admission: Admission;
afterEach(() => admission.stop());

function start(limits: Partial<AdmissionLimits> = {}): Admission {
  admission = new Admission({ ...ADMISSION_LIMITS, inFlightMax: 10, sampleEveryMs: 30, ...limits });
  admission.start();
  return admission;
}

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('Admission', () => {
  it('lets requests in up to its limit, and keeps a fifth for those that go on with a session', () => {
    start();
    expect(admission.refuses(8, false)).toBeNull();
    expect(admission.refuses(9, false)).toBe('in_flight');
    expect(admission.refuses(10, true)).toBeNull();
    expect(admission.refuses(11, true)).toBe('in_flight');
    expect(admission.shed).toEqual({ in_flight: 2, heap: 0, event_loop: 0, journal: 0 });
  });

  it('always has room for one', () => {
    start({ inFlightMax: 1 });
    expect(admission.refuses(1, false)).toBeNull();
    expect(admission.refuses(2, false)).toBe('in_flight');
  });

  it('turns everybody away while too much of the heap is in use', async () => {
    start({ heapShareMax: 0 });
    await eventually('a sample', () => admission.overload ?? undefined);
    expect(admission.refuses(1, true)).toBe('heap');
    expect(admission.shed.heap).toBe(1);
  });

  it('turns everybody away while the event loop is late again and again, and no longer', async () => {
    start({ loopDelayMsMax: 60, loopBusyShareMin: 0.3 });
    await eventually('an overload', () => {
      block(80);
      return admission.overload ?? undefined;
    });
    expect(admission.refuses(1, true)).toBe('event_loop');
    await eventually('an end of it', () => admission.overload === null || undefined);
    expect(admission.refuses(1, false)).toBeNull();
  });

  it('does not take a loop that is kept waiting by others for one that has too much to do', async () => {
    start({ loopDelayMsMax: 0, loopBusyShareMin: 0.9, sampleEveryMs: 10 });
    let samples = 0;
    await eventually('some samples', () => {
      expect(admission.overload).toBeNull();
      return ++samples > 5 || undefined;
    });
  });

  it('forgives one pause', async () => {
    start({ loopDelayMsMax: 200, loopBusyShareMin: 0, sampleEveryMs: 10 });
    block(300);
    let samples = 0;
    await eventually('some samples', () => {
      expect(admission.overload).toBeNull();
      return ++samples > 5 || undefined;
    });
  });
});
