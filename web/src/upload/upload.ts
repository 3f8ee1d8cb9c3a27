/** An upload of a file of calls: read, checked whole, then sent in batches. It outlives its page, so that one may look elsewhere meanwhile. */
import { api, type Call, Refused } from "../api/client";
import type { components } from "../api/schema";
import type { Chosen } from "../drop";
import { Asking, Cancelled, OtherAccount, type Pause } from "./asking";
import type { CallError, FileCall, FileFault, Json } from "./call_files";
import { fileOfCalls, LocalFiles } from "./local_files";
import type { Read } from "./reader";

type CallDraft = components["schemas"]["CallDraft"];

// As services/cli/upload.py has them.
const BATCH_CALLS = 500;
const BATCH_BYTES = 400_000;
/** Files are named by their calls before more than so much waits. */
const BATCH_FILE_BYTES = 1024 ** 3;

/** What calldock says of a call beyond what was uploaded; of calls that were exported it is passed over. */
const MADE_BY_CALLDOCK: Record<Exclude<keyof Call, keyof CallDraft>, true> = { call_session_id: true, status: true, error_code: true, error_message: true, upload_time: true, ext_request_id: true, status_time: true, record_type: true, upload_count: true };
/** The system tag of calls that have a sale: calldock's word too, which no upload may say. */
const SALES_TAG = "Sale";

export type Phase = "empty" | "reading" | "checking" | "checked" | "uploading" | "done" | "stopped";
export type Stop = "cancelled" | "other_account" | "refused" | FileFault | "unreadable" | "which_file";

/** One thing that is wrong, as the table shows it. */
export interface ErrorRow extends CallError {
  place: number;
  extId: string;
}

export interface State {
  phase: Phase;
  name: string;
  total: number;
  done: number;
  wrongCalls: number;
  errors: readonly ErrorRow[];
  outcomes: Readonly<Record<string, number>>;
  differing: number;
  sentFiles: number;
  sentFileBytes: number;
  pause: Pause | null;
  stop: { why: Stop; detail: string } | null;
  /** Whether calls were sent: then going on sends the rest. */
  hasBegun: boolean;
}

const EMPTY: State = { phase: "empty", name: "", total: 0, done: 0, wrongCalls: 0, errors: [], outcomes: {}, differing: 0, sentFiles: 0, sentFileBytes: 0, pause: null, stop: null, hasBegun: false };

interface Line {
  source: FileCall;
  call: Json;
  bytes: number;
}

/** The upload of one account; a store for React's useSyncExternalStore. */
export class Upload {
  private state: State = EMPTY;
  private readonly listeners = new Set<() => void>();
  private ending = new AbortController();
  private files = new LocalFiles([]);
  private lines: Line[] = [];
  private wrong = new Map<FileCall, CallError[]>();
  private rows: ErrorRow[] = [];
  private next = 0;

  constructor(readonly accountId: string) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): State => this.state;

  /** Reads and checks what was chosen. */
  async choose(chosen: readonly Chosen[]): Promise<void> {
    this.reset();
    const found = fileOfCalls(chosen);
    if (!found) return this.set({ phase: "stopped", stop: { why: "which_file", detail: chosen.map(({ path }) => path).slice(0, 5).join(", ") } });
    this.files = new LocalFiles(chosen);
    this.set({ phase: "reading", name: found.file.name });
    await this.run(async (asking) => {
      if (!(await this.read(found.file))) return;
      await this.check(asking);
    });
  }

  /** Sends the calls that are right. Goes on where it stopped. */
  async upload(isBackfill: boolean): Promise<void> {
    const good = this.lines.filter(({ source }) => !this.wrong.has(source));
    this.set({ phase: "uploading", total: good.length, done: this.next, stop: null, hasBegun: true });
    await this.run(async (asking) => {
      while (this.next < good.length) {
        const batch = this.batch(good, this.next, (line) => this.files.size(line.call));
        await this.send(batch, asking, isBackfill);
        this.next += batch.length;
        this.set({ done: this.next });
      }
      this.show({ phase: "done" });
    });
  }

  /** Ends what is under way; what was taken is taken. */
  cancel(): void {
    this.ending.abort();
  }

  /** Forgets everything, for another file. */
  reset(): void {
    this.ending.abort();
    this.ending = new AbortController();
    [this.lines, this.wrong, this.rows, this.next] = [[], new Map(), [], 0];
    this.set(EMPTY);
  }

  /** The calls that were refused, with what is wrong in words. */
  refused(say: (error: CallError) => string): { raw: Json; told: string }[] {
    return [...this.wrong].map(([source, errors]) => ({ raw: source.raw, told: errors.map((error) => [error.field, say(error)].filter(Boolean).join(": ")).join("; ") }));
  }

  private async run(work: (asking: Asking) => Promise<void>): Promise<void> {
    this.ending = this.ending.signal.aborted ? new AbortController() : this.ending;
    const { signal } = this.ending;
    try {
      await work(new Asking(this.accountId, signal, (pause) => this.set({ pause })));
    } catch (error) {
      // A reset took its place already.
      if (this.ending.signal !== signal) return;
      const why = error instanceof Cancelled ? "cancelled" : error instanceof OtherAccount ? "other_account" : "refused";
      this.set({ phase: "stopped", pause: null, stop: { why, detail: why === "refused" && error instanceof Error ? error.message : "" } });
    }
  }

  private read(file: File): Promise<boolean> {
    const { signal } = this.ending;
    const reader = new Worker(new URL("./reader.ts", import.meta.url), { type: "module" });
    return new Promise<boolean>((done, fail) => {
      const give = (isRead: boolean) => (reader.terminate(), done(isRead));
      const refuse = (why: Stop, detail: string) => (this.set({ phase: "stopped", stop: { why, detail } }), give(false));
      signal.addEventListener("abort", () => (reader.terminate(), fail(new Cancelled())), { once: true });
      reader.onerror = (event) => refuse("unreadable", event.message);
      reader.onmessage = ({ data }: MessageEvent<Read>) => {
        if ("fault" in data) return refuse(data.fault, data.detail);
        if ("isDone" in data) return give(true);
        for (const source of data.calls) this.take(source);
        this.set({ total: this.lines.length + this.wrong.size });
      };
      reader.postMessage(file);
    });
  }

  private take(source: FileCall): void {
    if (source.call === null) return this.fault(source, source.error ? [source.error] : []);
    const call = passedOver(source.call);
    const fault = this.files.fault(call);
    if (fault) this.fault(source, [fault]);
    else this.lines.push({ source, call, bytes: JSON.stringify(call).length });
  }

  private fault(source: FileCall, errors: CallError[]): void {
    const { place, raw } = source;
    this.wrong.set(source, errors);
    this.rows.push(...errors.map((error) => ({ ...error, place, extId: typeof raw.ext_id === "string" ? raw.ext_id : "" })));
  }

  private async check(asking: Asking): Promise<void> {
    this.show({ phase: "checking", done: 0 });
    for (let at = 0; at < this.lines.length; ) {
      const batch = this.batch(this.lines, at, () => 0);
      await this.judge(batch, batch.map(({ call }) => this.files.standIn(call)), asking);
      at += batch.length;
      this.show({ done: at });
    }
    this.show({ phase: "checked" });
  }

  /** Asks what is wrong with the calls of a batch, and notes it. */
  private async judge(batch: readonly Line[], calls: readonly Json[], asking: Asking): Promise<void> {
    const { violations } = await this.asked({ calls, validate_only: true }, asking);
    const found = new Map<Line, CallError[]>();
    for (const { field = "", description = "" } of violations ?? []) {
      const [, place, name = ""] = /^calls\[(\d+)\]\.?(.*)$/.exec(field) ?? [];
      const line = batch[Number(place)];
      if (!line) throw new Refused(400, `${field}: ${description}`);
      const column = name.replace("_wall_time", "_time").replace(/\[(\d+)\]/g, ".$1");
      found.set(line, [...(found.get(line) ?? []), { field: column, what: { said: description }, came: cameAt(line.call, column) }]);
    }
    for (const [line, errors] of found) this.fault(line.source, errors);
  }

  /** Uploads a batch. What has become wrong since it was checked is left out and noted. */
  private async send(batch: readonly Line[], asking: Asking, isBackfill: boolean): Promise<void> {
    const handed: Line[] = [];
    for (const line of batch) {
      try {
        handed.push({ ...line, call: await this.files.handOver(line.call, asking, (bytes) => this.set({ sentFiles: this.state.sentFiles + 1, sentFileBytes: this.state.sentFileBytes + bytes })) });
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 400) throw error;
        this.fault(line.source, [{ field: "record_url", what: { said: error.message }, came: "" }]);
      }
    }
    const priority = isBackfill ? "backfill" : "live";
    try {
      await this.taken(handed, priority, asking);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 400) throw error;
      await this.judge(handed, handed.map(({ call }) => call), asking);
      const good = handed.filter(({ source }) => !this.wrong.has(source));
      if (good.length === handed.length) throw error;
      await this.taken(good, priority, asking);
    }
    this.show({});
  }

  private async taken(lines: readonly Line[], priority: string, asking: Asking): Promise<void> {
    if (!lines.length) return;
    const { calls } = await this.asked({ calls: lines.map(({ call }) => call), priority }, asking);
    const outcomes = { ...this.state.outcomes };
    for (const { outcome } of calls ?? []) outcomes[outcome ?? ""] = (outcomes[outcome ?? ""] ?? 0) + 1;
    this.set({ outcomes, differing: this.state.differing + (calls ?? []).filter(({ differs }) => differs).length });
  }

  private asked(body: object, asking: Asking) {
    return asking.answered((signal) => api.POST("/v1/calls:upload", { body: body as components["schemas"]["UploadCallsRequest"], signal }));
  }

  private batch(lines: readonly Line[], from: number, fileBytes: (line: Line) => number): Line[] {
    const batch: Line[] = [];
    let bytes = 0;
    let files = 0;
    for (let at = from; at < lines.length; at++) {
      const line = lines[at] as Line;
      bytes += line.bytes;
      files += fileBytes(line);
      if (batch.length && (batch.length === BATCH_CALLS || bytes > BATCH_BYTES || files > BATCH_FILE_BYTES)) break;
      batch.push(line);
    }
    return batch;
  }

  /** A change together with what is known to be wrong, in the order of the file. */
  private show(part: Partial<State>): void {
    if (part.phase) this.rows.sort((one, other) => one.place - other.place);
    this.set({ ...part, wrongCalls: this.wrong.size, errors: [...this.rows] });
  }

  private set(part: Partial<State>): void {
    this.state = { ...this.state, ...part };
    this.listeners.forEach((tell) => tell());
  }
}

/** A call as calldock gave it, known by its number, without what calldock said: the names of tags and employees count, their numbers are those of the account that it comes from. */
function passedOver(call: Json): Json {
  if (!("call_session_id" in call)) return call;
  const said = Object.fromEntries(Object.entries(call).filter(([name]) => !(name in MADE_BY_CALLDOCK)));
  const byName = (kind: string) => (named: unknown) => {
    if (typeof named !== "object" || named === null) return named;
    const hasName = Boolean((named as Json)[`${kind}_name`]);
    return Object.fromEntries(Object.entries(named).filter(([name]) => name !== "recording" && !(hasName && name === `${kind}_id`)));
  };
  for (const [list, kind] of [["tags", "tag"], ["wav_records", "employee"], ["mp3_records", "employee"]] as const) {
    if (Array.isArray(said[list])) said[list] = (said[list] as unknown[]).map(byName(kind));
  }
  if (Array.isArray(said.tags)) said.tags = (said.tags as unknown[]).filter((tag) => (tag as Json | null)?.tag_name !== SALES_TAG);
  return said;
}

/** What stood at a path such as `wav_records.0.record_url`, as text. */
function cameAt(call: Json, path: string): string {
  let value: unknown = call;
  for (const part of path.split(".")) {
    if (typeof value !== "object" || value === null) return "";
    value = (value as Json)[part];
  }
  return value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
}
