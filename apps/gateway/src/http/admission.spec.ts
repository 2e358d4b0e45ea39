import { Admission, ADMISSION_LIMITS, type AdmissionLimits } from './admission.js';
import type { LoadSample } from './process-load.js';

const QUIET: LoadSample = { heapShare: 0.1, loopDelayMs: 10, loopBusyShare: 0.2 };
const LATE: LoadSample = { ...QUIET, loopDelayMs: 300, loopBusyShare: 0.95 };

let admission: Admission;
beforeEach(() => jest.useFakeTimers());
afterEach(() => {
  admission.stop();
  jest.useRealTimers();
});

/** With what the process says of itself, sample by sample, and then the last again and again. */
function start(limits: Partial<AdmissionLimits> = {}, samples: LoadSample[] = [QUIET]): Admission {
  const load = {
    start() {},
    stop() {},
    sample: () => (samples.length > 1 ? samples.shift() : samples[0]) as LoadSample,
  };
  admission = new Admission({ ...ADMISSION_LIMITS, inFlightMax: 10, loopDelayMsMax: 200, ...limits }, load);
  admission.start();
  return admission;
}

/** What it thinks behind each of so many samples. */
function overloads(count: number): (string | null)[] {
  return Array.from({ length: count }, () => {
    jest.advanceTimersByTime(ADMISSION_LIMITS.sampleEveryMs);
    return admission.overload;
  });
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

  it('turns everybody away while too much of the heap is in use', () => {
    start({}, [{ ...QUIET, heapShare: 0.9 }, QUIET]);
    expect(overloads(1)).toEqual(['heap']);
    expect(admission.refuses(1, true)).toBe('heap');
    expect(admission.shed.heap).toBe(1);
    expect(overloads(1)).toEqual([null]);
  });

  it('turns everybody away while the event loop is late again and again, and no longer', () => {
    start({}, [LATE, LATE, QUIET]);
    expect(overloads(2)).toEqual([null, 'event_loop']);
    expect(admission.refuses(1, true)).toBe('event_loop');
    overloads(4);
    expect(admission.overload).toBeNull();
    expect(admission.refuses(1, false)).toBeNull();
  });

  it('does not take a loop that is kept waiting by others for one that has too much to do', () => {
    start({}, [{ ...LATE, loopBusyShare: 0.5 }]);
    expect(overloads(6)).toEqual([null, null, null, null, null, null]);
  });

  it('forgives one pause', () => {
    start({}, [LATE, QUIET]);
    expect(overloads(6)).toEqual([null, null, null, null, null, null]);
  });
});
