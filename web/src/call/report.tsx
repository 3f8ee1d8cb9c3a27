/** Why a recording was accepted or refused: its code explained, and each figure against its limit. */
import { Alert, Badge, Text } from "@mantine/core";
import type { Account } from "../api/client";
import { type ErrorCode, ERRORS, type Rule, RULES } from "./explain";
import { type Figure, figuresOf, type Verdict } from "./figures";
import type { CallRecording } from "./recordings";
import { useCallTexts } from "./texts";
import { useSides } from "./sides";

const COLORS: Record<Verdict, string> = { fits: "#237032", refused: "red.9", warned: "yellow.4", informs: "gray.7", not_judged: "gray.7", not_measured: "gray.7" };

/** Each figure of a recording against its limit. */
export function Report({ record, account, customer }: { record: CallRecording; account: Account; customer: string }) {
  const { text } = useCallTexts();
  const report = record.recording?.audio_report;
  const figures = report ? figuresOf(record, report, account).filter((each) => each.verdict !== "not_measured") : [];
  if (!figures.length && record.recording?.status !== "RECORDING_STATUS_REFUSED") return null;
  return (
    <section className="column-wide" aria-label={text("report")}>
      <h2>
        {text("report")}: {text("recording").toLowerCase()} {record.place}
      </h2>
      {figures.length ? <Figures figures={figures} record={record} customer={customer} /> : <Text c="dimmed">{text("no_report")}</Text>}
    </section>
  );
}

/** What an error code means, for whoever owns the call; and what to change, by the rule that was not kept where that is known. */
export function Explained({ code, message, rule }: { code: ErrorCode; message: string; rule?: Rule }) {
  const { text, both } = useCallTexts();
  const said = ERRORS[code] ?? ERRORS.RECORDING_ERROR_CODE_INTERNAL_ERROR;
  return (
    <Alert color="red" variant="light" className="refusal" title={both(said.means)}>
      <p>{both(rule ? RULES[rule].change : said.change)}</p>
      <p className="said">
        {text("server_said")}: <bdi>{message}</bdi>
      </p>
      <code>{code.replace("RECORDING_ERROR_CODE_", "").toLowerCase()}</code>
    </Alert>
  );
}

/** Why a recording was refused; nothing for one that was not. */
export function Refusal({ record }: { record: CallRecording }) {
  const code = record.recording?.error_code;
  if (record.recording?.status !== "RECORDING_STATUS_REFUSED" || !code || code === "RECORDING_ERROR_CODE_UNSPECIFIED") return null;
  const rule = record.recording.audio_report?.failure?.rule;
  return <Explained code={code} message={record.recording.error_message ?? ""} rule={rule === "AUDIO_RULE_UNSPECIFIED" ? undefined : rule} />;
}

function Figures({ figures, record, customer }: { figures: Figure[]; record: CallRecording; customer: string }) {
  const { text, both } = useCallTexts();
  const side = useSides(record, customer);
  const channels = [null, 0, 1] as const;
  return (
    <div className="figures">
      {channels.map((channel) => {
        const these = figures.filter((each) => each.channel === channel);
        if (!these.length) return null;
        const name = channel === null ? text("file") : side(channel);
        return (
          <div key={String(channel)}>
            <h3>
              <bdi>{name}</bdi>
            </h3>
            <div role="table" aria-label={name}>
            <div role="row" className="visually-hidden">
              {(["figure", "measured", "limit", "verdict", "why"] as const).map((each) => (
                <span role="columnheader" key={each}>
                  {text(each)}
                </span>
              ))}
            </div>
            {these.map((figure) => (
              <div role="row" className={`figure ${figure.verdict}`} key={figure.name[0]}>
                <span role="rowheader">{both(figure.name)}</span>
                <span role="cell" className="value">{figure.measured ? both(figure.measured) : text("not_measured")}</span>
                <span role="cell" className="limit">{figure.limit ? both(figure.limit) : "—"}</span>
                <span role="cell">
                  <Badge color={COLORS[figure.verdict]} autoContrast variant="filled" tt="none">{text(figure.verdict)}</Badge>
                </span>
                <span role="cell" className="why">
                  {both(figure.explanation.means)}
                  {["refused", "warned"].includes(figure.verdict) && both(figure.explanation.change) && <strong> {both(figure.explanation.change)}</strong>}
                </span>
              </div>
            ))}
            </div>
          </div>
        );
      })}
    </div>
  );
}
