import { histogramEdges } from './histogram-edges.js';

const RANGE = { from: '2026-11-25T10:07:00.000Z', to: '2026-11-25T12:00:00.000Z' };
const times = (edges: Date[]) => edges.map((edge) => edge.toISOString().slice(11, 16));

describe('the buckets of a histogram', () => {
  it('divide the time evenly by their number', () => {
    expect(times(histogramEdges({ ...RANGE, from: '2026-11-25T11:00:00Z', buckets: 4 }))).toEqual([
      '11:00',
      '11:15',
      '11:30',
      '11:45',
      '12:00',
    ]);
    expect(histogramEdges(RANGE)).toHaveLength(61);
  });

  it('begin at multiples of an interval, cut off where the time begins and ends', () => {
    expect(times(histogramEdges({ ...RANGE, interval_seconds: 3600 }))).toEqual(['10:07', '11:00', '12:00']);
    expect(times(histogramEdges({ ...RANGE, to: '2026-11-25T11:30:00Z', interval_seconds: 3600 }))).toEqual([
      '10:07',
      '11:00',
      '11:30',
    ]);
  });

  it('are never empty: a millisecond is one', () => {
    expect(histogramEdges({ from: '2026-11-25T10:00:00.000Z', to: '2026-11-25T10:00:00.001Z' })).toHaveLength(2);
    expect(histogramEdges({ from: '2026-11-25T10:00:00.000Z', to: '2026-11-25T10:00:00.007Z' })).toHaveLength(8);
  });

  it('are refused when they would be more than 400', () => {
    expect(() => histogramEdges({ ...RANGE, interval_seconds: 10 })).toThrow(
      'interval_seconds would make 678 buckets: 400 are the most',
    );
  });
});
