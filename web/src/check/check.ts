/** Asks whether recordings would be accepted, one after another: an account may check two at once, and somebody else may too. */
import { api, Refused } from "../api/client";
import type { components } from "../api/schema";
import { Asking, type Pause } from "../upload/asking";

export type Format = "wav" | "mp3";
export type Verdict = components["schemas"]["RecordingVerdict"];

/** What is to be checked: a file, or a link. */
export type Source = { file: File } | { link: string };

export interface Check {
  id: number;
  name: string;
  format: Format | null;
  sizeBytes: number | null;
  /** The verdict; null until there is one. */
  verdict: Verdict | null;
  /** Why there is none and will be none: what the server said, empty when it said nothing. */
  failure: string | null;
}

/** What a name says of the file; null for another ending. */
export function formatOf(name: string): Format | null {
  return /\.(wav|mp3)$/i.exec(name.split("?")[0] ?? "")?.[1]?.toLowerCase() as Format | null ?? null;
}

/** Judges one source. Throws Refused, Cancelled, OtherAccount. */
export async function judge(source: Source, format: Format, accountId: string, signal: AbortSignal, onPause: (pause: Pause | null) => void): Promise<Verdict> {
  const asking = new Asking(accountId, signal, onPause);
  const answer = await asking.answered((each) => {
    if ("link" in source) return api.POST("/v1/recordings:check", { body: { record_url: source.link, format: format === "wav" ? "RECORDING_FORMAT_WAV" : "RECORDING_FORMAT_MP3" }, signal: each });
    const headers = { "content-type": format === "wav" ? "audio/wav" : "audio/mpeg" };
    return api.POST("/v1/recordings:checkFile", { body: source.file as never, bodySerializer: (body) => body as unknown as File, headers, signal: each });
  });
  if (!answer.verdict) throw new Refused(0, "");
  return answer.verdict;
}

