import { describe, expect, it } from 'vitest';
import { bars } from '../../cli/sparkline.ts';

describe('bars', () => {
  it('go from the lowest value to the highest', () => {
    expect(bars([0, 1, 2, 3, 4, 5, 6, 7], 20)).toEqual(['▁▂▃▄▅▆▇█']);
    expect(bars([107, 100], 20)).toEqual(['█▁']);
  });

  it('are flat where nothing changes, a dot where nothing is known, and nothing without values', () => {
    expect(bars([5, 5, 5], 20)).toEqual(['▁▁▁']);
    expect(bars([1, null, 2], 20)).toEqual(['▁·█']);
    expect(bars([null, null], 20)).toEqual(['··']);
    expect(bars([], 20)).toEqual(['']);
  });

  it('take no more columns than there are, each with the highest of its values', () => {
    const [line = ''] = bars([...Array(99).fill(0), 7], 10);
    expect(line).toBe('▁▁▁▁▁▁▁▁▁█');
    expect(bars([0, 9, 0, 0, 0, 0], 3)).toEqual(['█▁▁']);
  });

  it('stand on several lines', () => {
    expect(bars([0, 7, 8, 15, null], 20, 2)).toEqual(['  ▁█ ', '▁███·']);
  });
});
