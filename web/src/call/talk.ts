/** Who talks when: spans of speech, how they overlap, and how they are found in sound that nobody measured. Pure. */

export interface Span {
  /** Seconds from the beginning of the file. */
  start: number;
  end: number;
}

const FRAME_S = 0.032;
/** As in the report (services/media/talk.py): a shorter pause does not end a span. */
const LONGEST_PAUSE_S = 0.5;
const SHORTEST_SPAN_S = 0.1;
/** Below a full-scale tone: what is quieter is no speech on any line. */
const FLOOR_DB = -55;

/** Where two speak at once. Spans in order, without overlap among themselves. */
export function overlap(one: readonly Span[], other: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (let i = 0, j = 0; i < one.length && j < other.length; ) {
    const [a, b] = [one[i]!, other[j]!];
    const span = { start: Math.max(a.start, b.start), end: Math.min(a.end, b.end) };
    if (span.end > span.start) found.push(span);
    if (a.end < b.end) i++;
    else j++;
  }
  return found;
}

/** Where nobody of them speaks, in a file of `duration` seconds. */
export function silence(channels: readonly (readonly Span[])[], duration: number): Span[] {
  const found: Span[] = [];
  let quietFrom = 0;
  for (const span of channels.flat().toSorted((a, b) => a.start - b.start)) {
    if (span.start > quietFrom) found.push({ start: quietFrom, end: span.start });
    quietFrom = Math.max(quietFrom, span.end);
  }
  if (duration > quietFrom) found.push({ start: quietFrom, end: duration });
  return found;
}

/** The share of a file that spans take, 0 to 1. */
export function share(spans: readonly Span[], duration: number): number {
  return duration > 0 ? spans.reduce((sum, span) => sum + span.end - span.start, 0) / duration : 0;
}

/** Spans of speech in a channel of decoded samples: frames well above the quietest tenth and not far below the loudest. An estimate for the eye; the report measures better. */
export function spansIn(samples: Float32Array, rate: number): Span[] {
  const length = Math.round(FRAME_S * rate);
  const levels: number[] = [];
  for (let start = 0; start + length <= samples.length; start += length) {
    let sum = 0;
    for (let at = start; at < start + length; at++) sum += samples[at]! ** 2;
    levels.push(10 * Math.log10(sum / length + 1e-12));
  }
  const sorted = levels.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? FLOOR_DB;
  const least = Math.max(FLOOR_DB, Math.min(at(0.1) + 10, at(0.95) - 6), at(0.95) - 25);
  const spans: Span[] = [];
  levels.forEach((level, frame) => {
    if (level < least) return;
    const span = { start: frame * FRAME_S, end: (frame + 1) * FRAME_S };
    const last = spans.at(-1);
    if (last && span.start - last.end < LONGEST_PAUSE_S) last.end = span.end;
    else spans.push(span);
  });
  return spans.filter((span) => span.end - span.start >= SHORTEST_SPAN_S);
}

/** The outline of a channel: the loudest sample of each of `parts` equal parts, 0 to 1. */
export function peaksOf(samples: Float32Array, parts: number): Float32Array {
  const peaks = new Float32Array(parts);
  samples.forEach((sample, at) => {
    const part = Math.min(parts - 1, Math.floor((at * parts) / samples.length));
    peaks[part] = Math.max(peaks[part]!, Math.abs(sample));
  });
  return peaks;
}
