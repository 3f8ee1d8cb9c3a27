/** Files of calls as `calldock upload` reads them: JSON, JSON lines and CSV whose first line names the fields. The rules are those of services/cli/call_files.py. */
import Papa from "papaparse";

/** The column, or member, in which a report says what is wrong; it is passed over when the report is uploaded. */
export const ERROR_COLUMN = "upload_error";
/** What only an export has: its cells are guarded against being run as formulas (docs/export.md). */
const EXPORT_COLUMN = "call_session_id";
export const CALL_FILES = [".csv", ".json", ".jsonl", ".ndjson"];

const PHONE_NUMBERS = ["calling_phone_number", "called_phone_number"];
const BOOLEANS: Record<string, boolean> = { true: true, "1": true, yes: true, false: false, "0": false, no: false };
const NUMBERS = ["wait_duration", "talk_duration", "visitor_session_id", "campaign_id", "source_id", "site_id", "employee_id", "tag_id"];

export type Json = Record<string, unknown>;
export type Fault = "too_many_cells" | "not_json" | "not_an_object" | "list_member_due" | "list_gap" | "not_a_list" | "boolean_due" | "number_due" | "quote_open" | "no_such_file";

/** What is wrong with a call, before or after it was sent; `what` is a text of ours or the server's words. */
export interface CallError {
  field: string;
  what: { fault: Fault } | { said: string };
  came: string;
}

/** One call of a file: where it stands (line, or place in an array, from 1), as it stood, and in the contract's JSON; or why it cannot be read. */
export interface FileCall {
  place: number;
  raw: Json;
  call: Json | null;
  error: CallError | null;
}

export type FileFault = "unknown_ending" | "not_utf8" | "json_broken" | "no_calls_array" | "no_ext_id";

/** The file as a whole cannot be read. */
export class UnreadableFile extends Error {
  constructor(
    readonly fault: FileFault,
    readonly detail = "",
  ) {
    super(fault);
  }
}

/** Gives each call of a file to `onCall`. Throws UnreadableFile. */
export function readCalls(name: string, bytes: ArrayBuffer, onCall: (call: FileCall) => void): void {
  const ending = CALL_FILES.find((each) => name.toLowerCase().endsWith(each));
  if (ending === undefined) throw new UnreadableFile("unknown_ending");
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UnreadableFile("not_utf8");
  }
  if (ending === ".csv") readCsv(text, onCall);
  else if (ending === ".json") readJson(text, onCall);
  else readLines(text, onCall);
}

/** Refused calls in the form of the file that they came from, with what is wrong, to be mended and uploaded again. */
export function report(name: string, refused: readonly { raw: Json; told: string }[]): { name: string; content: string } {
  const isCsv = name.toLowerCase().endsWith(".csv");
  const stem = name.replace(/\.[^.]*$/, "").replace(/\.refused$/, "");
  const rows = refused.map(({ raw, told }) => ({ ...raw, [ERROR_COLUMN]: told }));
  const content = isCsv ? Papa.unparse(rows, { columns: Object.keys(rows[0] ?? {}) }) : rows.map((row) => JSON.stringify(row)).join("\n");
  return { name: `${stem}.refused${isCsv ? ".csv" : ".jsonl"}`, content: `${content}\n` };
}

/** As JSON.parse; a number too long for JavaScript stays what it is, as text, which is how REST JSON spells ids. */
function parse(text: string): unknown {
  const keep = (_name: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && context?.source && /^-?\d+$/.test(context.source) ? context.source : value;
  return JSON.parse(text, keep as (name: string, value: unknown) => unknown);
}

function readJson(text: string, onCall: (call: FileCall) => void): void {
  let content;
  try {
    content = parse(text);
  } catch (error) {
    throw new UnreadableFile("json_broken", error instanceof Error ? error.message : "");
  }
  const calls = isObject(content) ? content.calls : content;
  if (!Array.isArray(calls)) throw new UnreadableFile("no_calls_array");
  calls.forEach((call: unknown, index) => onCall(fromJson(index + 1, call)));
}

function readLines(text: string, onCall: (call: FileCall) => void): void {
  let place = 0;
  for (const line of text.split(/\r?\n/)) {
    place += 1;
    if (!line.trim()) continue;
    try {
      onCall(fromJson(place, parse(line)));
    } catch {
      onCall(wrong(place, { line }, { field: "", what: { fault: "not_json" }, came: line }));
    }
  }
}

function fromJson(place: number, call: unknown): FileCall {
  if (!isObject(call)) return wrong(place, { line: call }, { field: "", what: { fault: "not_an_object" }, came: JSON.stringify(call) });
  const { [ERROR_COLUMN]: _told, ...said } = call;
  return { place, raw: call, call: said, error: null };
}

function readCsv(text: string, onCall: (call: FileCall) => void): void {
  const first = text.slice(0, 4096).split("\n", 1)[0] ?? "";
  const delimiter = first.split(";").length > first.split(",").length ? ";" : ",";
  let names: string[] | null = null;
  let place = 0;
  let counted = 0;
  Papa.parse<string[]>(text, {
    delimiter,
    skipEmptyLines: true,
    step: ({ data, errors, meta }) => {
      // A cell may hold line breaks: a row is known by the line in which it ends.
      for (let at = text.indexOf("\n", counted); at >= 0 && at < meta.cursor; at = text.indexOf("\n", counted)) [counted, place] = [at + 1, place + 1];
      const line = meta.cursor > counted ? place + 1 : place;
      if (names === null) {
        names = data;
        if (!names.includes("ext_id")) throw new UnreadableFile("no_ext_id");
        return;
      }
      onCall(fromRow(line, names, data, errors.some((error) => error.code === "MissingQuotes")));
    },
  });
  if (names === null) throw new UnreadableFile("no_ext_id");
}

function fromRow(place: number, names: readonly string[], cells: readonly string[], isOpen: boolean): FileCall {
  const raw = bare();
  names.forEach((name, index) => name && name !== ERROR_COLUMN && (raw[name] = cells[index] ?? ""));
  if (isOpen) return wrong(place, raw, { field: "", what: { fault: "quote_open" }, came: "" });
  const extra = [...cells.slice(names.length), ...cells.filter((cell, index) => names[index] === "" && cell)];
  if (extra.length) return wrong(place, raw, { field: "", what: { fault: "too_many_cells" }, came: extra.join(", ") });
  const call = bare();
  const isExport = names.includes(EXPORT_COLUMN);
  for (const [name, cell] of Object.entries(raw) as [string, string][]) {
    const text = isExport ? unguarded(cell) : cell;
    const fault = put(call, name, text);
    if (fault !== null) return wrong(place, raw, { field: name, what: { fault }, came: text });
  }
  return { place, raw, call, error: null };
}

/** Puts a cell where its column's name says: `comment`, `callback.url`, `wav_records.0.record_url`. An empty cell is nothing, but for telephone numbers. */
function put(call: Json, name: string, cell: string): Fault | null {
  if (cell === "" && !PHONE_NUMBERS.includes(name)) return null;
  const parts = name.split(".");
  const last = parts.pop() ?? "";
  let inner: unknown = call;
  for (const [index, part] of parts.entries()) {
    const fresh = /^\d+$/.test(parts[index + 1] ?? last) ? [] : bare();
    if (Array.isArray(inner)) {
      if (!/^\d+$/.test(part) || Number(part) > inner.length) return "list_gap";
      inner = inner[Number(part)] ?? (inner.push(fresh), fresh);
    } else if (isObject(inner)) {
      inner = inner[part] ??= fresh;
    } else return "not_a_list";
  }
  if (Array.isArray(inner)) return "list_member_due";
  if (!isObject(inner)) return "not_a_list";
  const value = valueOf(last, cell);
  if (typeof value === "object" && value !== null && "fault" in value) return value.fault as Fault;
  inner[last] = value;
  return null;
}

function valueOf(last: string, cell: string): unknown {
  if (last === "is_lost" || last === "is_transfer") return BOOLEANS[cell.trim().toLowerCase()] ?? { fault: "boolean_due" };
  if (NUMBERS.includes(last)) return numberOf(cell.trim());
  if (last === "events") return cell.replaceAll(",", " ").split(/\s+/).filter(Boolean);
  if (last === "tags") return cell.split("|").filter((tag) => tag.trim()).map((tag) => ({ tag_name: tag.trim() }));
  return cell;
}

function numberOf(cell: string): unknown {
  if (/^[+-]?\d+$/.test(cell)) return Number.isSafeInteger(Number(cell)) ? Number(cell) : cell.replace(/^\+/, "");
  return /^[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell.replace(",", ".")) : { fault: "number_due" };
}

/** What services/cli/formula_guard.py made of a cell, back again. */
function unguarded(cell: string): string {
  return cell.replace(/(?:^|(?<=[;,\t\r\n]))'/g, "");
}

function wrong(place: number, raw: Json, error: CallError): FileCall {
  return { place, raw, call: null, error };
}

/** An object without a prototype: a column may be named anything. */
function bare(): Json {
  return Object.create(null) as Json;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
