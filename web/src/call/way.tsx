/** The way a call went, from its upload to the last notification, and what can be done about it. */
import { Badge, Button, Group, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { answered, api, type Call } from "../api/client";
import { wallTime } from "../calls/wall_time";
import { Problem } from "../problem";
import { hasEnded, type Notification, useNotifications } from "./following";
import { useSession } from "../session";
import { type CallRecording, int64, megabytes, recordingsOf, seconds } from "./recordings";
import { type CallText, useCallTexts } from "./texts";

export function Way({ call, timeZone }: { call: Call; timeZone: string }) {
  const { text } = useCallTexts();
  const session = useSession();
  const mayUpload = session.isKnown ? session.may("upload") : undefined;
  const notifications = useNotifications(call);
  const status = call.status && call.status !== "CALL_STATUS_UNSPECIFIED" ? call.status : null;
  return (
    <section aria-label={text("way")}>
      <h2>{text("way")}</h2>
      <ol className="way">
        <Step time={wallTime(call.upload_time, timeZone)} title={text("accepted")}>
          {(call.upload_count ?? 1) > 1 && `${text("upload_nth")} ${call.upload_count}`}
        </Step>
        {recordingsOf(call).map((each) => <RecordingStep key={each.place} record={each} timeZone={timeZone} />)}
        {status && (
          <Step time={hasEnded(call) ? wallTime(call.status_time, timeZone) : ""} title={text("verdict")}>
            <StatusBadge status={status} /> {call.error_message && <bdi>{call.error_message}</bdi>}
          </Step>
        )}
        {notifications.data?.map((each) => <NotificationStep key={each.notification_id} notification={each} timeZone={timeZone} mayUpload={mayUpload} />)}
        {!call.callback && <Step time="" title={text("notification")}>{text("no_callback")}</Step>}
        {call.callback && notifications.data?.length === 0 && <Step time="" title={text("notification")}>{text("no_notifications")} <bdi className="dim">{call.callback.url}</bdi></Step>}
      </ol>
      <Acts call={call} mayUpload={mayUpload} />
      {mayUpload === false && <Text size="sm" c="dimmed" id="needs-upload">{text("needs_upload")}</Text>}
    </section>
  );
}

function RecordingStep({ record, timeZone }: { record: CallRecording; timeZone: string }) {
  const { text, number, mega } = useCallTexts();
  const { recording } = record;
  const stands = recording?.status ?? "RECORDING_STATUS_WAITING";
  const size = Number(recording?.source_size_bytes ?? 0);
  return (
    <Step time="" title={`${text("recording")} ${record.place}`}>
      {stands !== "RECORDING_STATUS_UNSPECIFIED" && text(stands)}
      {size > 0 && <span className="dim"> {number(megabytes(size), 2)} {mega}</span>}
      {(recording?.failed_download_count ?? 0) > 0 && <div className="dim">{text("failed_downloads")}: {recording!.failed_download_count}</div>}
      {recording?.next_download_time && <div>{text("next_attempt")}: <time>{wallTime(recording.next_download_time, timeZone)}</time></div>}
      {recording?.error_message && <div><bdi>{recording.error_message}</bdi></div>}
      <div className="dim link"><bdi>{record.link}</bdi></div>
    </Step>
  );
}

export function StatusBadge({ status }: { status: Exclude<NonNullable<Call["status"]>, "CALL_STATUS_UNSPECIFIED"> }) {
  const { text } = useCallTexts();
  const color = { CALL_STATUS_NEW: "gray.7", CALL_STATUS_IN_PROCESS: "blue.9", CALL_STATUS_PROCESSED: "#237032", CALL_STATUS_ERROR: "red.9", CALL_STATUS_CANCELLED: "gray.7" }[status];
  return <Badge color={color}>{text(status)}</Badge>;
}

function Step({ time, title, children }: { time: string; title: string; children: ReactNode }) {
  return (
    <li>
      <div className="step-head">
        <strong>{title}</strong> {time && <time>{time}</time>}
      </div>
      <div>{children}</div>
    </li>
  );
}

function NotificationStep({ notification, timeZone, mayUpload }: { notification: Notification; timeZone: string; mayUpload: boolean | undefined }) {
  const { text, number, milliseconds } = useCallTexts();
  const queries = useQueryClient();
  const id = notification.notification_id ?? "";
  const again = useMutation({
    mutationFn: () => answered(api.POST("/v1/notifications/{notification_id}:redeliver", { params: { path: { notification_id: id } }, body: {} })),
    onSettled: () => queries.invalidateQueries({ queryKey: ["notifications", notification.call_session_id] }),
  });
  const said = (name: string | undefined) => (name && !name.endsWith("_UNSPECIFIED") ? text(name as CallText) : "");
  const color = { NOTIFICATION_STATUS_WAITING: "blue.9", NOTIFICATION_STATUS_DELIVERED: "#237032", NOTIFICATION_STATUS_BURIED: "red.9", NOTIFICATION_STATUS_UNSPECIFIED: "gray.7" }[notification.status ?? "NOTIFICATION_STATUS_UNSPECIFIED"];
  return (
    <Step time={wallTime(notification.event_time, timeZone)} title={`${text("notification")} ${said(notification.event)}`}>
      <Badge color={color}>{said(notification.status)}</Badge>{" "}
      {notification.is_redelivery && <span className="dim">{text("redelivery")} </span>}
      {notification.bury_reason && <bdi>{notification.bury_reason}</bdi>}
      <div className="dim link"><bdi>{notification.url}</bdi></div>
      <ul className="attempts" aria-label={text("attempts")}>
        {notification.attempts?.map((each) => (
          <li key={each.number}>
            {each.number}. <time>{wallTime(each.attempt_time, timeZone)}</time> {said(each.outcome)}
            {each.http_status !== undefined && ` ${each.http_status}`}, {number((seconds(each.latency) ?? 0) * 1000, 0)} {milliseconds} {each.reason && <bdi className="dim">{each.reason}</bdi>}
            {each.answer_head && each.outcome !== "ATTEMPT_OUTCOME_DELIVERED" && <bdi className="answer">{each.answer_head}</bdi>}
          </li>
        ))}
        {!notification.attempts?.length && <li>{text("no_attempts")}</li>}
        {notification.next_attempt_time && <li>{text("next_attempt")}: <time>{wallTime(notification.next_attempt_time, timeZone)}</time></li>}
      </ul>
      <Button size="compact-sm" variant="default" disabled={mayUpload !== true} aria-describedby={mayUpload === false ? "needs-upload" : undefined} loading={again.isPending} onClick={() => again.mutate()}>
        {text("redeliver")}
      </Button>
      <Problem error={again.error} />
    </Step>
  );
}

function Acts({ call, mayUpload }: { call: Call; mayUpload: boolean | undefined }) {
  const { text } = useCallTexts();
  const queries = useQueryClient();
  const id = call.call_session_id ?? "";
  const asked = { params: { path: { call_session_id: int64(id) } }, body: {} };
  const act = useMutation({
    mutationFn: (what: "cancel" | "reprocess") => answered(what === "cancel" ? api.POST("/v1/calls/{call_session_id}:cancel", asked) : api.POST("/v1/calls/{call_session_id}:reprocess", asked)),
    onSettled: () => queries.invalidateQueries({ queryKey: ["call", id] }),
  });
  const noCancel = call.status === "CALL_STATUS_NEW" ? "" : text("cancel_late");
  const noReprocess = call.status === "CALL_STATUS_CANCELLED" ? text("reprocess_cancelled") : hasEnded(call) ? "" : text("reprocess_early");
  const button = (what: "cancel" | "reprocess", why: string) => (
    <Button size="sm" variant="default" disabled={mayUpload !== true || why !== ""} title={mayUpload === false ? text("needs_upload") : why} loading={act.isPending && act.variables === what} onClick={() => act.mutate(what)}>
      {text(what)}
    </Button>
  );
  return (
    <Group gap="sm" mt="sm">
      {button("reprocess", noReprocess)}
      {!hasEnded(call) && button("cancel", noCancel)}
      <Problem error={act.error} />
    </Group>
  );
}
