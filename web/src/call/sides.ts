/** Who speaks in a channel of a recording, by name. */
import type { CallRecording } from "./recordings";
import { useCallTexts } from "./texts";

/** Names a channel, 0 or 1, of a recording: the employee, the customer, or which channel it is. */
export function useSides(record: CallRecording, customer: string): (channel: number) => string {
  const { text } = useCallTexts();
  return (channel) => {
    const place = text(channel === 0 ? "left" : "right");
    if (record.employeeChannel === null) return `${text("channel")} ${channel + 1}`;
    const [role, name] = record.employeeChannel === channel ? [text("employee"), record.employee] : [text("customer"), customer];
    return `${role}${name ? ` ${name}` : ""} (${place})`;
  };
}
