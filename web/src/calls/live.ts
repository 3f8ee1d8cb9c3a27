/** Changes of the account's calls as they are committed: WatchCalls, a line of JSON a change, taken up again after a break. */
import { APP_HEADERS, type Call, heedSession } from "../api/client";
import { instantOf } from "./wall_time";
import { isJudgedElsewhere, type Sort, type View } from "./filters";

export interface Change {
  cursor: string;
  call_session_id: string;
  is_deleted: boolean;
  call?: Call;
}

const LONGEST_PAUSE_MS = 5000;
/** A sign of life is due every 15 s. */
const SILENCE_MS = 40_000;

/** Follows changes from a cursor until `signal` ends it. `onLost` hears that changes are no longer kept, so that the list must be asked anew. */
export async function watch(cursor: string, signal: AbortSignal, onChange: (change: Change) => void, onLive: (live: boolean) => void, onLost: () => void): Promise<void> {
  let from = cursor;
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const silence = new AbortController();
      const answer = await fetch(`/v1/calls:watch?cursor=${encodeURIComponent(from)}`, { headers: APP_HEADERS, signal: AbortSignal.any([signal, silence.signal]) });
      heedSession(answer);
      if (answer.status === 400 || answer.status === 416) return onLost();
      if (answer.ok && answer.body) {
        onLive(true);
        failures = 0;
        for await (const line of lines(answer.body, silence)) {
          const said = JSON.parse(line) as { result?: Change } & Change;
          const change = said.result ?? said;
          if (change.cursor) from = change.cursor;
          if (Number(change.call_session_id)) onChange(change);
        }
      }
    } catch {
      // Away or silent: asked again below.
    }
    if (signal.aborted) return;
    onLive(false);
    await new Promise((done) => setTimeout(done, Math.min(300 * 2 ** failures, LONGEST_PAUSE_MS)));
  }
}

async function* lines(body: ReadableStream<Uint8Array>, silence: AbortController): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>).getReader();
  let rest = "";
  for (;;) {
    const timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const { done, value } = await reader.read();
    clearTimeout(timer);
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((part) => part.trim());
  }
}

/** Whether a call belongs into a view, as ListCalls decides it; of what is judged elsewhere it knows nothing. */
export function belongs(call: Call, view: View, timeZone: string): boolean {
  const began = Date.parse(call.start_time ?? "");
  const from = instantOf(view.from, timeZone);
  const before = instantOf(view.before, timeZone);
  return (
    (!view.statuses.length || view.statuses.some((status) => status === call.status)) &&
    (!view.direction || call.direction === (view.direction === "in" ? "DIRECTION_IN" : "DIRECTION_OUT")) &&
    (!view.answer || call.is_lost === (view.answer === "lost")) &&
    (from === null || began >= from.getTime()) &&
    (before === null || began < before.getTime())
  );
}

/** Which of two calls a view shows first: negative for the first of them. Calls that began at the same time come by their number, the same way. */
export function compared(one: Call, other: Call, sort: Sort): number {
  const byNumber = BigInt(one.call_session_id ?? "0") < BigInt(other.call_session_id ?? "0") ? -1 : 1;
  const byTime = sort === "uploaded" ? 0 : Date.parse(one.start_time ?? "") - Date.parse(other.start_time ?? "");
  return (byTime || byNumber) * (sort === "oldest" ? 1 : -1);
}

/** A list after changes, of which there is one for each call. The same list when nothing of it changed. Whether a call belongs there that the list does not have, a view that is judged elsewhere cannot say. */
export function applied(calls: readonly Call[], changes: readonly Change[], view: View, timeZone: string, isWhole: boolean): readonly Call[] {
  const left = new Map(changes.map((change) => [change.call_session_id, change]));
  const fitting = ({ call, is_deleted }: Change) => (!is_deleted && call && belongs(call, view, timeZone) ? call : null);
  const kept: Call[] = [];
  for (const call of calls) {
    const change = left.get(call.call_session_id ?? "");
    const after = change ? fitting(change) : call;
    if (change) left.delete(change.call_session_id);
    if (after) kept.push(after);
  }
  const isTouched = left.size < changes.length;
  const fresh = isJudgedElsewhere(view) ? [] : [...left.values()].map(fitting).filter((call) => call !== null);
  if (!fresh.length) return isTouched ? kept : calls;
  fresh.sort((one, other) => compared(one, other, view.sort));
  const merged: Call[] = [];
  let taken = 0;
  for (const call of fresh) {
    const place = placeOf(call, kept, view.sort);
    // What comes after all that was loaded comes with its page.
    if (place === kept.length && !isWhole && calls.length) break;
    while (taken < place) merged.push(kept[taken++]!);
    merged.push(call);
  }
  if (!merged.length) return isTouched ? kept : calls;
  while (taken < kept.length) merged.push(kept[taken++]!);
  return merged;
}

function placeOf(call: Call, calls: readonly Call[], sort: Sort): number {
  let low = 0;
  let high = calls.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compared(call, calls[middle]!, sort) < 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A list after its first page was asked for again: what came, and of the list what lies beyond it. */
export function renewed(calls: readonly Call[], page: readonly Call[], view: View, isWhole: boolean): readonly Call[] {
  const last = page.at(-1);
  if (isWhole) return page;
  return last === undefined ? calls : [...page, ...calls.filter((call) => compared(last, call, view.sort) < 0)];
}
