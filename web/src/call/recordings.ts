/** The recordings of a call, whatever their kind. */
import type { Call } from "../api/client";
import type { components } from "../api/schema";

export type Recording = components["schemas"]["Recording"];
export type AudioReport = components["schemas"]["AudioReport"];

export interface CallRecording {
  /** From 1, in upload order. */
  place: number;
  employee: string;
  /** The employee's channel, 0 or 1; null where nobody said it. */
  employeeChannel: 0 | 1 | null;
  link: string;
  isWav: boolean;
  recording: Recording | undefined;
}

/** The recordings of a call, in upload order. */
export function recordingsOf(call: Call): CallRecording[] {
  const wavs = (call.wav_records ?? []).map((each): Omit<CallRecording, "place"> => ({
    employee: each.employee_name ?? "",
    employeeChannel: each.employee_channel === "EMPLOYEE_CHANNEL_RIGHT" ? 1 : 0,
    link: each.record_url ?? "",
    isWav: true,
    recording: each.recording,
  }));
  const mp3s = (call.mp3_records ?? []).map((each): Omit<CallRecording, "place"> => ({ employee: each.employee_name ?? "", employeeChannel: null, link: each.record_url ?? "", isWav: false, recording: each.recording }));
  return [...wavs, ...mp3s].map((each, at) => ({ ...each, place: at + 1 }));
}

/** Seconds of a duration such as `12.5s`; null for none. */
export function seconds(duration: string | undefined): number | null {
  const found = Number.parseFloat(duration ?? "");
  return Number.isNaN(found) ? null : found;
}

/** A length of time for people: 1:05, or 1:02:05. */
export function clock(length: number): string {
  const whole = Math.floor(length);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A size in megabytes with two digits, up, so that what is above a limit does not read as the limit. */
export function megabytes(bytes: number): number {
  return Math.ceil((bytes / 1024 / 1024) * 100) / 100;
}

/** A number of ours for an address. The types call it a number, which holds no more than 53 bits: the text goes as it is. */
export function int64(id: string): number {
  return id as unknown as number;
}
