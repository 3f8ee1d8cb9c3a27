/** A view of the calls as its address says it: whoever has the address sees the same view. */
import type { CallStatus, RecordingErrorCode } from "../api/client";
import { instantOf } from "./wall_time";

export const STATUSES = ["CALL_STATUS_NEW", "CALL_STATUS_IN_PROCESS", "CALL_STATUS_PROCESSED", "CALL_STATUS_ERROR", "CALL_STATUS_CANCELLED"] as const satisfies readonly CallStatus[];
export const COLUMNS = ["start_time", "status", "direction", "calling", "called", "employees", "duration", "verdict", "tags", "ext_id", "comment"] as const;
export type Column = (typeof COLUMNS)[number];
export type ShownStatus = (typeof STATUSES)[number];
type Verdict = Exclude<RecordingErrorCode, "RECORDING_ERROR_CODE_UNSPECIFIED">;
const VERDICTS_OF: Record<Verdict, true> = {
  RECORDING_ERROR_CODE_DOWNLOAD_ERROR: true,
  RECORDING_ERROR_CODE_CONNECTION_DOWNLOAD_ERROR: true,
  RECORDING_ERROR_CODE_HTTP_STATUS_DOWNLOAD_ERROR: true,
  RECORDING_ERROR_CODE_HTTP_CONTENT_TYPE_DOWNLOAD_ERROR: true,
  RECORDING_ERROR_CODE_MAX_FILE_SIZE_DOWNLOAD_ERROR: true,
  RECORDING_ERROR_CODE_TIMEOUT_DOWNLOAD_ERROR: true,
  RECORDING_ERROR_CODE_DECODE_ERROR: true,
  RECORDING_ERROR_CODE_WAV_CHANNELS_PROCESSING_ERROR: true,
  RECORDING_ERROR_CODE_WAV_PROCESSING_ERROR: true,
  RECORDING_ERROR_CODE_WAV_MIN_DURATION_PROCESSING_ERROR: true,
  RECORDING_ERROR_CODE_PROCESSING_ERROR: true,
  RECORDING_ERROR_CODE_INTERNAL_ERROR: true,
};
/** What may be said of a recording, as ListCalls takes it: `accepted`, and each code. A code that the API gets and this does not is a type error. */
export const VERDICTS: readonly string[] = ["accepted", ...Object.keys(VERDICTS_OF).map((code) => code.replace("RECORDING_ERROR_CODE_", "").toLowerCase())];
export const SORTS = ["newest", "oldest", "uploaded"] as const;
export type Sort = (typeof SORTS)[number];
const ORDERS: Record<Sort, string> = { newest: "start_time desc", oldest: "start_time", uploaded: "call_session_id desc" };

export interface View {
  /** Wall-clock times in the account's zone, as an input of type datetime-local gives them; empty for none. */
  from: string;
  before: string;
  statuses: ShownStatus[];
  direction: "" | "in" | "out";
  answer: "" | "lost" | "successful";
  verdict: string;
  employee: string;
  tag: string;
  /** A telephone number or its digits, as people write them. */
  number: string;
  /** Words that a call has. */
  words: string;
  sort: Sort;
  columns: Column[];
}

const TYPED = ["employee", "tag", "number", "words"] as const;

const FIRST_COLUMNS: Column[] = COLUMNS.filter((column) => column !== "comment");

/** The view of an address's query; what it does not know is passed over. */
export function readView(search: string): View {
  const asked = new URLSearchParams(search);
  const direction = asked.get("direction");
  const answer = asked.get("answer");
  const columns = asked.get("columns");
  return {
    from: asked.get("from") ?? "",
    before: asked.get("before") ?? "",
    statuses: STATUSES.filter((status) => asked.getAll("status").includes(status.slice(12).toLowerCase())),
    direction: direction === "in" || direction === "out" ? direction : "",
    answer: answer === "lost" || answer === "successful" ? answer : "",
    verdict: VERDICTS.find((verdict) => verdict === asked.get("verdict")) ?? "",
    employee: asked.get("employee") ?? "",
    tag: asked.get("tag") ?? "",
    number: asked.get("number") ?? "",
    words: asked.get("words") ?? "",
    sort: SORTS.find((sort) => sort === asked.get("sort")) ?? "newest",
    columns: columns === null ? FIRST_COLUMNS : COLUMNS.filter((column) => columns.split(",").includes(column)),
  };
}

/** The query of a view's address; what is as at first is left out. */
export function writeView(view: View): string {
  const said = new URLSearchParams();
  if (view.from) said.set("from", view.from);
  if (view.before) said.set("before", view.before);
  for (const status of view.statuses) said.append("status", status.slice(12).toLowerCase());
  if (view.direction) said.set("direction", view.direction);
  if (view.answer) said.set("answer", view.answer);
  if (view.verdict) said.set("verdict", view.verdict);
  for (const name of TYPED) if (view[name]) said.set(name, view[name]);
  if (view.sort !== "newest") said.set("sort", view.sort);
  if (view.columns.join() !== FIRST_COLUMNS.join()) said.set("columns", view.columns.join());
  const text = said.toString();
  return text ? `?${text}` : "";
}

/** What ListCalls is asked for a view. */
export function query(view: View, timeZone: string) {
  return {
    ...(view.statuses.length ? { statuses: [...view.statuses] } : {}),
    ...(view.direction ? { direction: view.direction === "in" ? ("DIRECTION_IN" as const) : ("DIRECTION_OUT" as const) } : {}),
    ...(view.answer ? { is_lost: view.answer === "lost" } : {}),
    ...(view.verdict ? { verdict_codes: [view.verdict] } : {}),
    ...(view.employee.trim() ? { employee_names: [view.employee.trim()] } : {}),
    ...(view.tag.trim() ? { tag_names: [view.tag.trim()] } : {}),
    ...(view.number.trim() ? { number: view.number.trim() } : {}),
    ...(view.words.trim() ? { text: view.words.trim() } : {}),
    order_by: ORDERS[view.sort],
    ...timeBound("start_time_from", view.from, timeZone),
    ...timeBound("start_time_before", view.before, timeZone),
  };
}

/** Whether only the server can say which calls belong into a view: names, numbers and words are compared there. */
export function isJudgedElsewhere(view: View): boolean {
  return view.verdict !== "" || TYPED.some((name) => view[name].trim() !== "");
}

function timeBound<Name extends string>(name: Name, wall: string, timeZone: string): { [name in Name]?: string } {
  const instant = instantOf(wall, timeZone);
  return instant === null ? {} : ({ [name]: instant.toISOString() } as { [name in Name]?: string });
}
