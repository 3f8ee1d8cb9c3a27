/** Recordings that lie beside a file of calls: handed over to calldock before the calls that name them, as services/cli/local_files.py does it. */
import { api, Refused } from "../api/client";
import type { Chosen } from "../drop";
import type { Asking } from "./asking";
import { CALL_FILES, type CallError, type Json } from "./call_files";

const HANDED_OVER = "calldock-upload:";
const FORMATS = { wav_records: "audio/wav", mp3_records: "audio/mpeg" } as const;

/** The one file of calls among what was chosen: in the folder, or beside it. Null when there is none, or more than one. */
export function fileOfCalls(chosen: readonly Chosen[]): Chosen | null {
  const isCalls = ({ path }: Chosen) => CALL_FILES.some((ending) => path.toLowerCase().endsWith(ending));
  const only = chosen[0];
  if (chosen.length === 1 && only) return only;
  const found = chosen.filter((each) => isCalls(each) && !each.path.includes(".refused") && each.path.split("/").length <= 2);
  return found.length === 1 ? (found[0] ?? null) : null;
}

/** The recordings of a call that are no links. */
export function localRecords(call: Json): { kind: keyof typeof FORMATS; index: number; place: number; name: string; record: Json }[] {
  const found = [];
  let place = 0;
  for (const kind of ["wav_records", "mp3_records"] as const) {
    const records: unknown = call[kind];
    if (!Array.isArray(records)) continue;
    for (const [index, record] of (records as unknown[]).entries()) {
      const url = (record as Json | null)?.record_url;
      if (typeof url === "string" && url && !url.includes("://") && !url.startsWith(HANDED_OVER)) found.push({ kind, index, place, name: url, record: record as Json });
      place += 1;
    }
  }
  return found;
}

/** The files of a folder, and what became of those that were handed over. */
export class LocalFiles {
  private readonly files = new Map<string, File>();
  private readonly urls = new Map<string, string>();

  constructor(chosen: readonly Chosen[]) {
    const folders = new Set(chosen.filter(({ path }) => path.includes("/")).map(({ path }) => path.split("/")[0]));
    for (const { path, file } of chosen) {
      const inside = folders.size === 1 && path.includes("/") ? path.slice(path.indexOf("/") + 1) : path;
      this.files.set(inside.normalize("NFC"), file);
    }
  }

  /** What is wrong with the names of a call's files; null when all are there. */
  fault(call: Json): CallError | null {
    for (const { kind, index, name } of localRecords(call)) {
      if (!this.file(name)) return { field: `${kind}.${index}.record_url`, what: { fault: "no_such_file" }, came: name };
    }
    return null;
  }

  /** How many bytes a call's files have. */
  size(call: Json): number {
    return localRecords(call).reduce((sum, { name }) => sum + (this.file(name)?.size ?? 0), 0);
  }

  /** The call as a dry run sends it: with links that stand for the files. */
  standIn(call: Json): Json {
    return replaced(call, ({ place }) => `https://not.yet/${place}`);
  }

  /** The call with links alone; its files are handed over. A call that is stored already keeps the names of its files when they are the same. Throws what Asking does; Refused also for a file that is not taken. */
  async handOver(call: Json, asking: Asking, onFile: (bytes: number) => void): Promise<Json> {
    const local = localRecords(call);
    if (!local.length) return call;
    const stored = await storedRecords(String(call.ext_id), asking);
    for (const { kind, place, name } of local) {
      const key = JSON.stringify([call.ext_id, name, kind]);
      const file = this.file(name);
      if (this.urls.has(key) || !file) continue;
      const kept = stored[place];
      const isSame = kept?.sha256 !== undefined && kept.sha256 === (await sha256(file));
      this.urls.set(key, isSame ? kept.url : await put(file, FORMATS[kind], asking));
      if (!isSame) onFile(file.size);
    }
    return replaced(call, ({ kind, name }) => this.urls.get(JSON.stringify([call.ext_id, name, kind])) ?? name);
  }

  private file(name: string): File | undefined {
    const path: string[] = [];
    for (const part of name.normalize("NFC").split("/")) {
      // Above the folder is outside: nothing is sent away on somebody's word.
      if (part === ".." && path.pop() === undefined) return undefined;
      if (part !== "." && part !== ".." && part !== "") path.push(part);
    }
    return this.files.get(path.join("/"));
  }
}

function replaced(call: Json, link: (record: ReturnType<typeof localRecords>[number]) => string): Json {
  const local = localRecords(call);
  if (!local.length) return call;
  const links = new Map(local.map((each) => [each.record, link(each)]));
  const relinked = (records: unknown) => (Array.isArray(records) ? (records as Json[]).map((record) => (links.has(record) ? { ...record, record_url: links.get(record) } : record)) : records);
  return { ...call, ...(call.wav_records ? { wav_records: relinked(call.wav_records) } : {}), ...(call.mp3_records ? { mp3_records: relinked(call.mp3_records) } : {}) };
}

/** The recordings of the call when it is stored, and an upload would leave it as it is. */
async function storedRecords(extId: string, asking: Asking): Promise<{ url: string; sha256?: string }[]> {
  try {
    const call = await asking.answered((signal) => api.GET("/v1/calls:lookup", { params: { query: { ext_id: extId } }, signal }));
    if (call.status === "CALL_STATUS_ERROR" || call.status === "CALL_STATUS_CANCELLED") return [];
    return [...(call.wav_records ?? []), ...(call.mp3_records ?? [])].map((record) => ({ url: record.record_url ?? "", sha256: record.recording?.source_sha256 || undefined }));
  } catch (error) {
    if (error instanceof Refused && (error.status === 404 || error.status === 400)) return [];
    throw error;
  }
}

async function put(file: File, type: string, asking: Asking): Promise<string> {
  const taken = await asking.answered((signal) =>
    api.POST("/v1/recordings:put", { body: file as never, bodySerializer: (body) => body as unknown as File, headers: { "content-type": type }, signal }),
  );
  return taken.record_url ?? "";
}

/** Undefined where the browser does not reckon hashes: over plain http from another machine. */
async function sha256(file: File): Promise<string | undefined> {
  const subtle = globalThis.crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) return undefined;
  const hash = new Uint8Array(await subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

