/** What a call reads like in each column, on the screen and in a CSV file. */
import type { Call } from "../api/client";
import type { Text } from "../texts";
import type { Column } from "./filters";
import { wallTime } from "./wall_time";

/** The text of a call's cell. */
export function cell(call: Call, column: Column, timeZone: string, text: (text: Text) => string): string {
  const records = [...(call.wav_records ?? []), ...(call.mp3_records ?? [])];
  switch (column) {
    case "start_time":
      return wallTime(call.start_time, timeZone);
    case "status":
      return call.status && call.status !== "CALL_STATUS_UNSPECIFIED" ? text(call.status) : "";
    case "direction":
      return text(call.direction === "DIRECTION_OUT" ? "out" : "in") + (call.is_lost ? `, ${text("lost").toLowerCase()}` : "");
    case "calling":
      return call.calling_phone_number || text("hidden");
    case "called":
      return call.called_phone_number ?? "";
    case "employees":
      return [...new Set(records.map((record) => record.employee_name).filter(Boolean))].join(", ");
    case "duration":
      return call.talk_duration ? `${Math.round(Number.parseFloat(call.talk_duration))} ${text("seconds")}` : "";
    case "tags":
      return (call.tags ?? []).map((tag) => tag.tag_name).join(", ");
    case "verdict":
      return call.error_message || "";
    case "ext_id":
      return call.ext_id ?? "";
    case "comment":
      return call.comment ?? "";
  }
}

/** What a spreadsheet would take for the beginning of a formula, in any cell that it could see: the rule of services/cli/formula_guard.py. */
const FORMULA = /(?<![^;,\t\r\n])(?="*['=+\-@\t\r\n＝＋－＠])/g;

/** Calls as a CSV file (RFC 4180), columns as shown, whole texts. What a spreadsheet would run as a formula gets an apostrophe before it; a telephone number keeps its plus. */
export function csv(calls: readonly Call[], columns: readonly Column[], timeZone: string, text: (text: Text) => string): string {
  const line = (cells: string[]) => cells.map((each) => `"${guarded(each).replaceAll('"', '""')}"`).join(",");
  return [columns.map((column) => text(column)), ...calls.map((call) => columns.map((column) => cell(call, column, timeZone, text)))].map(line).join("\r\n") + "\r\n";
}

function guarded(value: string): string {
  return /^\+\d+$/.test(value) ? value : value.replace(FORMULA, "'");
}
