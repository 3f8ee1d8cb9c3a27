/** Checking recordings: files or links, and the report of each, without storing anything. */
import "../call/call.css";
import { Alert, Badge, Button, Group, NativeSelect, Paper, Text, TextInput, Title } from "@mantine/core";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { type Account, Refused } from "../api/client";
import type { CallRecording, Recording } from "../call/recordings";
import { Explained, Report } from "../call/report";
import { Drop } from "../drop";
import { useTexts } from "../own_texts";
import type { PageProps } from "../routes";
import { useSession } from "../session";
import { Cancelled, type Pause } from "../upload/asking";
import { type Check, type Format, formatOf, judge, type Source, type Verdict } from "./check";
import { TEXTS } from "./texts";

const KEPT = 20;

export function CheckPage({ account }: PageProps) {
  const text = useTexts(TEXTS);
  const { may, isKnown } = useSession();
  const [checks, setChecks] = useState<readonly Check[]>([]);
  const [pause, setPause] = useState<Pause | null>(null);
  const line = useRef<Promise<void>>(Promise.resolve());
  const ending = useRef(new AbortController());
  const last = useRef(0);
  useEffect(() => {
    ending.current = new AbortController();
    return () => ending.current.abort();
  }, []);

  function begin(name: string, source: Source, given: Format | null) {
    const id = ++last.current;
    const { signal } = ending.current;
    const failure = given === null ? text("not_audio") : null;
    setChecks((before) => [{ id, name, format: given, sizeBytes: "file" in source ? source.file.size : null, verdict: null, failure }, ...before].slice(0, KEPT));
    if (given === null) return;
    const change = (part: Partial<Check>) => setChecks((before) => before.map((each) => (each.id === id ? { ...each, ...part } : each)));
    line.current = line.current.then(async () => {
      try {
        change({ verdict: await judge(source, given, account.account_id, signal, setPause) });
      } catch (error) {
        if (!(error instanceof Cancelled)) change({ failure: error instanceof Refused ? error.message : "" });
      }
    });
  }

  return (
    <div className="scrolls">
      <Title order={1} size="h3">{text("title")}</Title>
      <Text>{text("intro")}</Text>
      {isKnown && !may("upload") && <Alert color="yellow">{text("may_not")}</Alert>}
      <Drop
        words={{ drop: text("drop"), file: text("choose") }} accept=".wav,.mp3,audio/wav,audio/mpeg" isMany disabled={!may("upload")}
        onChosen={(chosen) => chosen.forEach(({ path, file }) => begin(path, { file }, formatOf(file.name)))}
      />
      <Link disabled={!may("upload")} onLink={(link, format) => begin(link, { link }, format)} />
      {pause && <Alert color="yellow" role="status">{text(`pause_${pause.why}`)}</Alert>}
      <section aria-label={text("results")} className="results" aria-live="polite">
        {checks.map((check) => <Result key={check.id} check={check} account={account} isNext={check.id === Math.min(...checks.filter((each) => each.verdict === null && each.failure === null).map((each) => each.id))} />)}
      </section>
    </div>
  );
}

function Link({ disabled, onLink }: { disabled: boolean; onLink: (link: string, format: Format) => void }) {
  const text = useTexts(TEXTS);
  const [link, setLink] = useState("");
  const [chosen, setChosen] = useState<Format | null>(null);
  const format = chosen ?? formatOf(link) ?? "wav";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onLink(link.trim(), format);
  };
  return (
    <form onSubmit={submit}>
      <Group align="end" gap="sm">
        <TextInput label={text("link")} type="url" placeholder="https://" maxLength={2048} required disabled={disabled} value={link} onChange={(event) => setLink(event.currentTarget.value)} flex="1 1 300px" />
        <NativeSelect label={text("format")} disabled={disabled} value={format} data={(["wav", "mp3"] as const).map((each) => ({ value: each, label: text(each) }))} onChange={(event) => setChosen(event.currentTarget.value as Format)} />
        <Button type="submit" disabled={disabled || !link.trim()}>{text("check")}</Button>
      </Group>
    </form>
  );
}

function Result({ check, account, isNext }: { check: Check; account: Account; isNext: boolean }) {
  const text = useTexts(TEXTS);
  const { verdict, failure } = check;
  const state = failure !== null ? "failed" : verdict === null ? (isNext ? "checking" : "waiting") : verdict.is_accepted ? "accepted" : "refused";
  const colors = { failed: "gray.7", checking: "blue.8", waiting: "gray.7", accepted: "#237032", refused: "red.9" };
  return (
    <Paper component="article" withBorder p="md" className="call report">
      <Group gap="sm" mb="xs">
        <h2 className="stranger">{check.name.slice(0, 300)}</h2>
        <Badge color={colors[state]} variant="filled">{text(state)}</Badge>
      </Group>
      {failure !== null && <Text className="stranger">{failure || text("no_answer")}</Text>}
      {verdict && <Judged check={check} verdict={verdict} account={account} />}
    </Paper>
  );
}

function Judged({ check, verdict, account }: { check: Check; verdict: Verdict; account: Account }) {
  const { error_code: code } = verdict;
  const record: CallRecording = {
    place: 1,
    employee: "",
    employeeChannel: null,
    link: check.name,
    isWav: check.format === "wav",
    recording: {
      status: verdict.is_accepted ? "RECORDING_STATUS_ACCEPTED" : "RECORDING_STATUS_REFUSED",
      error_code: code,
      error_message: verdict.error_message,
      audio_report: verdict.audio_report,
      source_size_bytes: check.sizeBytes === null ? undefined : String(check.sizeBytes),
    } as unknown as Recording,
  };
  return (
    <>
      {code !== "RECORDING_ERROR_CODE_UNSPECIFIED" && <Explained code={code} message={verdict.error_message} />}
      <Report record={record} account={account} customer="" />
    </>
  );
}
