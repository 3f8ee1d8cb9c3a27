/** A view of the calls as its address says it: whoever has the address sees the same view. */
import type { CallStatus } from "../api/client";
import { instantOf } from "./wall_time";

export const STATUSES = ["CALL_STATUS_NEW", "CALL_STATUS_IN_PROCESS", "CALL_STATUS_PROCESSED", "CALL_STATUS_ERROR", "CALL_STATUS_CANCELLED"] as const satisfies readonly CallStatus[];
export const COLUMNS = ["start_time", "status", "direction", "calling", "called", "employees", "duration", "verdict", "tags", "ext_id", "comment"] as const;
export type Column = (typeof COLUMNS)[number];
export type ShownStatus = (typeof STATUSES)[number];

export interface View {
  /** Wall-clock times in the account's zone, as an input of type datetime-local gives them; empty for none. */
  from: string;
  before: string;
  statuses: ShownStatus[];
  direction: "" | "in" | "out";
  answer: "" | "lost" | "successful";
  columns: Column[];
}

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
    ...timeBound("start_time_from", view.from, timeZone),
    ...timeBound("start_time_before", view.before, timeZone),
  };
}

function timeBound<Name extends string>(name: Name, wall: string, timeZone: string): { [name in Name]?: string } {
  const instant = instantOf(wall, timeZone);
  return instant === null ? {} : ({ [name]: instant.toISOString() } as { [name in Name]?: string });
}
