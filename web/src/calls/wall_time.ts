/** Moments on the wall clock of the account's zone. */

/** The moment of a wall-clock time such as 2026-11-02T10:00; null for what is none. One that occurs twice is the earlier, as at upload (docs/contract.md 3). */
export function instantOf(wall: string, timeZone: string): Date | null {
  const asUtc = Date.parse(`${wall}Z`);
  if (Number.isNaN(asUtc)) return null;
  // A zone's offset changes seldom: that of a day before and of a day after are all there can be.
  const offsets = [asUtc - 86_400_000, asUtc + 86_400_000].map((moment) => offsetOf(moment, timeZone));
  const fitting = offsets.map((offset) => asUtc - offset).filter((moment) => moment + offsetOf(moment, timeZone) === asUtc);
  return new Date(fitting.length ? Math.min(...fitting) : asUtc - Math.min(...offsets));
}

/** How a moment reads in the zone: 2026-11-02 10:00:00. */
export function wallTime(moment: string | undefined, timeZone: string): string {
  return moment ? parts(Date.parse(moment), timeZone) : "";
}

function offsetOf(moment: number, timeZone: string): number {
  return Date.parse(`${parts(moment, timeZone).replace(" ", "T")}Z`) - Math.floor(moment / 1000) * 1000;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function parts(moment: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
    formats.set(timeZone, format);
  }
  return format.format(moment);
}
