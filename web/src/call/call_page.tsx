/** The page of one call: its facts, the way it went, its sound, and why it was judged so. */
import "./call.css";
import { Alert, Badge, Tabs } from "@mantine/core";
import { lazy, Suspense, useEffect, useState } from "react";
import { Link, useParams } from "wouter";
import type { Account, Call } from "../api/client";
import { Problem } from "../problem";
import type { PageProps } from "../routes";
import { Facts } from "./facts";
import { useCall } from "./following";
import { type CallRecording, recordingsOf } from "./recordings";
import { Explained, Refusal, Report } from "./report";
import { useCallTexts } from "./texts";
import { StatusBadge, Way } from "./way";

const Player = lazy(async () => ({ default: (await import("./player")).Player }));
const Outline = lazy(async () => ({ default: (await import("./player")).Outline }));

export function CallPage({ account }: PageProps) {
  const id = useParams()["id"] ?? "";
  return <OneCall key={id} id={id} account={account} />;
}

function OneCall({ id, account }: { id: string; account: Account }) {
  const { text } = useCallTexts();
  const { call, isMissing, isDeleted, isLive, error } = useCall(id);
  useEffect(() => {
    const before = document.title;
    document.title = `${text("call")} ${id} · calldock`;
    return () => {
      document.title = before;
    };
  }, [id, text]);

  return (
    <div className="call">
      <p>
        <Link href="/calls">← {text("back")}</Link>
      </p>
      {isDeleted && <Alert color="yellow" role="alert">{text("deleted")}</Alert>}
      {isMissing && <Alert color="yellow" role="alert" title={text("missing")}>{text("missing_why")}</Alert>}
      <Problem error={error} />
      {!call && !isDeleted && !isMissing && !error && <p role="status">{text("loading")}</p>}
      {call && <Shown call={call} account={account} isLive={isLive} />}
    </div>
  );
}

function Shown({ call, account, isLive }: { call: Call; account: Account; isLive: boolean }) {
  const { text } = useCallTexts();
  const timeZone = account.time_zone ?? "UTC";
  const status = call.status && call.status !== "CALL_STATUS_UNSPECIFIED" ? call.status : null;
  const records = recordingsOf(call);
  const code = call.error_code;
  const customer = (call.direction === "DIRECTION_OUT" ? call.called_phone_number : call.calling_phone_number) ?? "";
  const [first] = useState(() => placeInAddress(records));
  const [place, setPlace] = useState(first.place);
  const [startAt, setStartAt] = useState(first.second);
  const record = records[place - 1] ?? records[0];
  const choose = (chosen: number) => {
    setPlace(chosen);
    setStartAt(0);
    writeAddress(chosen, 0);
  };
  return (
    <>
      <div className="call-head">
        <h1>
          {text("call")} {call.call_session_id}
        </h1>
        <span role="status">{status && <StatusBadge status={status} />}</span>
        <Badge variant="dot" color={isLive ? "green.7" : "gray.6"}>{text(isLive ? "live" : "not_live")}</Badge>
      </div>
      {status === "CALL_STATUS_ERROR" && !records.length && code && code !== "RECORDING_ERROR_CODE_UNSPECIFIED" && <Explained code={code} message={call.error_message ?? ""} />}
      <div className="columns">
        {record ? <Recordings records={records} place={record.place} customer={customer} startAt={startAt} onChoose={choose} /> : <p className="column-wide dim">{text("no_recordings")}</p>}
        <Facts call={call} timeZone={timeZone} />
        <Way call={call} timeZone={timeZone} />
        {record && <Report record={record} account={account} customer={customer} />}
      </div>
    </>
  );
}

/** Which recording and second the address names; at first the one that was refused, if any was. */
function placeInAddress(records: readonly CallRecording[]): { place: number; second: number } {
  const asked = new URLSearchParams(location.search);
  const place = Number(asked.get("r"));
  const second = Number(asked.get("t") ?? 0);
  const refused = records.find((each) => each.recording?.status === "RECORDING_STATUS_REFUSED")?.place ?? 1;
  return { place: Number.isInteger(place) && place >= 1 && place <= records.length ? place : refused, second: second > 0 && Number.isFinite(second) ? second : 0 };
}

/** Keeps the recording, where there are several, and the second in the address. */
function writeAddress(place: number | null, second: number) {
  const said = new URLSearchParams(location.search);
  said.delete("r");
  said.delete("t");
  if (place !== null) said.set("r", String(place));
  if (second > 0) said.set("t", String(second));
  const query = said.toString();
  const address = location.pathname + (query ? `?${query}` : "");
  if (address !== location.pathname + location.search) history.replaceState(history.state, "", address);
}

interface RecordingsProps {
  records: CallRecording[];
  place: number;
  customer: string;
  startAt: number;
  onChoose: (place: number) => void;
}

function Recordings({ records, place, customer, startAt, onChoose }: RecordingsProps) {
  const { text } = useCallTexts();
  const shown = (record: CallRecording) => <Heard record={record} customer={customer} startAt={startAt} onSecond={(second) => writeAddress(records.length > 1 ? record.place : null, second)} />;
  return (
    <section className="column-wide" aria-label={text("recordings")}>
      <h2>{text("recordings")}</h2>
      {records.length === 1 ? (
        shown(records[0]!)
      ) : (
        <Tabs value={String(place)} onChange={(chosen) => onChoose(Number(chosen))}>
          <Tabs.List aria-label={text("recordings")}>
            {records.map((each) => (
              <Tabs.Tab key={each.place} value={String(each.place)}>
                {each.place}. <bdi>{(each.employee || text("nobody")).slice(0, 40)}</bdi> {each.recording?.status === "RECORDING_STATUS_REFUSED" && `· ${text("refused")}`}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {records.map((each) => (
            <Tabs.Panel key={each.place} value={String(each.place)} pt="sm">
              {each.place === place && shown(each)}
            </Tabs.Panel>
          ))}
        </Tabs>
      )}
    </section>
  );
}

function Heard({ record, customer, startAt, onSecond }: { record: CallRecording; customer: string; startAt: number; onSecond: (second: number) => void }) {
  const { text } = useCallTexts();
  const status = record.recording?.status;
  if (status === "RECORDING_STATUS_ACCEPTED") {
    return (
      <Suspense fallback={<p role="status">{text("loading")}</p>}>
        <Player key={record.recording?.recording_id} record={record} customer={customer} startAt={startAt} onSecond={onSecond} />
      </Suspense>
    );
  }
  return (
    <>
      <p className="dim">{text(status === "RECORDING_STATUS_REFUSED" ? "not_listenable" : "not_yet")}</p>
      <Refusal record={record} />
      {record.recording?.audio_report?.channels?.[0]?.peaks && (
        <Suspense>
          <Outline record={record} customer={customer} />
        </Suspense>
      )}
    </>
  );
}
