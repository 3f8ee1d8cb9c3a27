/** What a player draws of a recording: each channel's outline and spans, from the audio report or, where it has none, from the decoded file. */
import { answered, api, APP_HEADERS, heedSession, Refused } from "../api/client";
import { type CallRecording, int64, seconds } from "./recordings";
import { peaksOf, type Span, spansIn } from "./talk";

export interface Channel {
  /** The loudest sample of equal parts, 0 to 1. */
  peaks: Float32Array;
  spans: Span[];
}

export interface Sound {
  channels: Channel[];
  /** Seconds. */
  duration: number;
  isMeasuredHere: boolean;
  /** False for a file that was refused before anybody listened for speech: it has outlines alone. */
  hasSpans: boolean;
}

const PARTS = 400;
const RATE_HZ = 8000;
/** About an hour and ten minutes of MP3; decoded it takes 280 MB for a moment. */
const MOST_BYTES = 16 * 1024 * 1024;

/** The sound by the report; null when the report does not draw it. */
export function reported({ recording }: CallRecording): Sound | null {
  const report = recording?.audio_report;
  const duration = seconds(report?.duration);
  const channels = report?.channels ?? [];
  if (duration === null || !channels.length || channels.some((each) => !each.peaks)) return null;
  return {
    duration,
    isMeasuredHere: false,
    hasSpans: channels.every((each) => each.speech_share !== undefined),
    channels: channels.map((each) => ({
      peaks: Float32Array.from(atob(each.peaks ?? ""), (letter) => letter.charCodeAt(0) / 255),
      spans: (each.segments ?? []).map((span) => ({ start: seconds(span.start_offset) ?? 0, end: (seconds(span.start_offset) ?? 0) + (seconds(span.duration) ?? 0) })),
    })),
  };
}

/** The sound by decoding the MP3 here; null for a file that is too large. Throws Refused, and what the browser says of a file that it cannot read. */
export async function decoded({ recording }: CallRecording, signal: AbortSignal): Promise<Sound | null> {
  if (!recording || Number(recording.audio_size_bytes ?? 0) > MOST_BYTES) return null;
  const answer = await fetch(`/v1/recordings/${recording.recording_id}/audio`, { headers: APP_HEADERS, signal });
  heedSession(answer);
  if (!answer.ok) throw new Refused(answer.status, "");
  const buffer = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await answer.arrayBuffer());
  const channels = Array.from({ length: Math.min(buffer.numberOfChannels, 2) }, (_, at) => buffer.getChannelData(at));
  return { duration: buffer.duration, isMeasuredHere: true, hasSpans: true, channels: channels.map((samples) => ({ peaks: peaksOf(samples, PARTS), spans: spansIn(samples, RATE_HZ) })) };
}

export interface Link {
  path: string;
  /** A moment in milliseconds of this browser's clock at which another one is due. */
  renewAt: number;
}

/** A link to listen by, and when it is to be renewed: a fifth of its time before its end. Throws Refused. */
export async function link(recordingId: string): Promise<Link> {
  const asked = Date.now();
  const made = await answered(api.POST("/v1/recordings/{recording_id}:createPlaybackLink", { params: { path: { recording_id: int64(recordingId) } }, body: {} }));
  const left = Math.max(Date.parse(made.expire_time ?? "") - asked, 1000);
  return { path: made.path ?? "", renewAt: asked + left * 0.8 };
}
