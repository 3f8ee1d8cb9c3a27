/** Uploading a file of calls, or a folder with recordings: choose, see what is wrong, send, see what became of it. */
import { Alert, Anchor, Button, Checkbox, Group, Progress, Stack, Table, Text, Title } from "@mantine/core";
import { useEffect, useState, useSyncExternalStore } from "react";
import { Link } from "wouter";
import { Drop } from "../drop";
import { useTexts } from "../own_texts";
import type { PageProps } from "../routes";
import { useSession } from "../session";
import { type CallError, report } from "./call_files";
import { ErrorsTable } from "./errors_table";
import { TEXTS } from "./texts";
import { type State, Upload } from "./upload";

let current: Upload | null = null;

/** The account's upload: the same when one comes back to the page. */
function uploadOf(accountId: string): Upload {
  if (current?.accountId !== accountId) {
    current?.cancel();
    current = new Upload(accountId);
  }
  return current;
}

export function UploadPage({ account }: PageProps) {
  const upload = uploadOf(account.account_id);
  const state = useSyncExternalStore(upload.subscribe, upload.snapshot);
  const text = useTexts(TEXTS);
  const { may, isKnown } = useSession();
  const isBusy = ["reading", "checking", "uploading"].includes(state.phase);
  useEffect(() => {
    if (state.phase !== "uploading") return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [state.phase]);
  const say = ({ what }: CallError) => ("fault" in what ? text(what.fault) : what.said);

  return (
    <div className="scrolls">
      <Title order={1} size="h3">{text("title")}</Title>
      {isKnown && !may("upload") && <Alert color="yellow">{text("may_not")}</Alert>}
      {state.phase === "empty" && (
        <>
          <Text>{text("intro")}</Text>
          <Drop words={{ drop: text("drop"), file: text("choose_file"), folder: text("choose_folder") }} isMany disabled={!may("upload")} onChosen={(chosen) => void upload.choose(chosen)} />
        </>
      )}
      {state.phase !== "empty" && <Text fw={600} className="stranger">{state.name}</Text>}
      {isBusy && <Under state={state} onCancel={() => upload.cancel()} />}
      {state.stop && <Alert color={state.stop.why === "cancelled" ? "yellow" : "red"} role="alert">{text(`stop_${state.stop.why}`)} <span className="stranger">{state.stop.detail}</span></Alert>}
      {state.phase === "checked" && <Checked state={state} onUpload={(isBackfill) => void upload.upload(isBackfill)} />}
      {state.hasBegun && state.phase !== "uploading" && <Summary state={state} />}
      {!isBusy && state.phase !== "empty" && (
        <Group>
          {state.phase === "stopped" && state.hasBegun && state.stop?.why !== "other_account" && <Button onClick={() => void upload.upload(false)}>{text("go_on")}</Button>}
          <Button variant="default" onClick={() => upload.reset()}>{text("another")}</Button>
          {state.errors.length > 0 && <Button variant="default" onClick={() => save(report(state.name, upload.refused(say)))}>{text("save_report")}</Button>}
        </Group>
      )}
      {state.errors.length > 0 && <ErrorsTable errors={state.errors} say={say} />}
    </div>
  );
}

function Under({ state, onCancel }: { state: State; onCancel: () => void }) {
  const text = useTexts(TEXTS);
  const { phase, done, total, pause } = state;
  const seconds = useSecondsUntil(pause?.untilMs ?? null);
  return (
    <Stack gap="xs">
      <div role="status">
        <Text>{text(phase as "reading")}: {phase === "reading" ? total : `${done} ${text("of")} ${total}`} {text("calls")}{state.wrongCalls > 0 && `, ${state.wrongCalls} ${text("wrong")}`}</Text>
        {state.sentFiles > 0 && <Text size="sm">{text("recordings")}: {state.sentFiles} ({megabytes(state.sentFileBytes)} MB)</Text>}
      </div>
      <Progress value={total ? (100 * done) / total : 0} animated={phase === "reading"} striped={phase === "reading"} aria-label={text(phase as "reading")} />
      {pause && <Alert color="yellow" role="status">{text(`pause_${pause.why}`)}{pause.untilMs !== null && ` (${text("in_seconds")}: ${seconds})`}</Alert>}
      <Group><Button variant="default" onClick={onCancel}>{text("cancel")}</Button></Group>
    </Stack>
  );
}

function Checked({ state, onUpload }: { state: State; onUpload: (isBackfill: boolean) => void }) {
  const text = useTexts(TEXTS);
  const [isBackfill, setBackfill] = useState(false);
  const good = state.done - (state.wrongCalls - (state.total - state.done));
  const verdict = state.wrongCalls === 0 && good > 0 ? "checked_good" : good > 0 ? "checked_some" : "checked_none";
  return (
    <Stack gap="sm">
      <Alert color={verdict === "checked_good" ? "green" : verdict === "checked_some" ? "yellow" : "red"} role="status">
        {text(verdict)} {state.total} {text("calls")}, {state.wrongCalls} {text("wrong")}. {text("stored_nothing")}
      </Alert>
      {good > 0 && (
        <Group>
          <Button onClick={() => onUpload(isBackfill)}>{text("upload")} ({good})</Button>
          <Checkbox label={text("backfill")} checked={isBackfill} onChange={(event) => setBackfill(event.currentTarget.checked)} />
        </Group>
      )}
    </Stack>
  );
}

function Summary({ state }: { state: State }) {
  const text = useTexts(TEXTS);
  const rows: [string, number][] = Object.entries(state.outcomes).map(([outcome, count]) => [text(outcome as "OUTCOME_CREATED"), count]);
  if (state.differing) rows.push([text("differing"), state.differing]);
  if (state.wrongCalls) rows.push([text("refused"), state.wrongCalls]);
  if (state.sentFiles) rows.push([text("recordings"), state.sentFiles]);
  return (
    <Stack gap="xs" role="status">
      {state.phase === "done" && <Alert color="green">{text("done")}. <Anchor component={Link} fz="inherit" href="/calls">{text("see_calls")}</Anchor></Alert>}
      <Table maw={560} aria-label={text("outcome")}>
        <Table.Tbody>
          {rows.map(([name, count]) => (
            <Table.Tr key={name}>
              <Table.Th>{name}</Table.Th>
              <Table.Td>{count}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}

function useSecondsUntil(untilMs: number | null): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (untilMs === null) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [untilMs]);
  return untilMs === null ? 0 : Math.max(0, Math.ceil((untilMs - now) / 1000));
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function save({ name, content }: { name: string; content: string }): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
