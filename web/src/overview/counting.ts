/** What charts show of the numbers: gaps filled, hours put together into days where there are many. Pure. */
import type { components } from "../api/schema";
import { wallTime } from "../calls/wall_time";

export type Overview = components["schemas"]["Overview"];

export const PERIODS = [1, 7, 31] as const;
export type Days = (typeof PERIODS)[number];

/** The calls of an hour or a day. */
export interface Bar {
  name: string;
  errors: number;
  others: number;
  lost: number;
}

const HOUR_MS = 3_600_000;

/** The time of a period: it ends with the present hour, so that all of its hours are whole ones. */
export function timeOf(days: Days, now: number): { from: Date; before: Date } {
  const before = (Math.floor(now / HOUR_MS) + 1) * HOUR_MS;
  return { from: new Date(before - days * 24 * HOUR_MS), before: new Date(before) };
}

/** A bar for each hour of a day, for each day of more, also for those without calls. */
export function barsOf({ hours }: Overview, { from, before }: { from: Date; before: Date }, days: Days, timeZone: string): Bar[] {
  const nameOf = (moment: string) => (days === 1 ? wallTime(moment, timeZone).slice(11, 16) : wallTime(moment, timeZone).slice(5, 10));
  const bars = new Map<string, Bar>();
  const barAt = (moment: string) => {
    const name = nameOf(moment);
    const bar = bars.get(name) ?? { name, errors: 0, others: 0, lost: 0 };
    bars.set(name, bar);
    return bar;
  };
  for (let at = from.getTime(); at < before.getTime(); at += HOUR_MS) barAt(new Date(at).toISOString());
  for (const hour of hours) {
    const bar = barAt(hour.begin_time ?? "");
    bar.errors += Number(hour.errors);
    bar.others += Number(hour.calls) - Number(hour.errors);
    bar.lost += Number(hour.lost);
  }
  return [...bars.values()];
}
