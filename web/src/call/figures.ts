/** The figures of an audio report against their limits (docs/contract.md 6, docs/audio.md). Pure. */
import type { Account } from "../api/client";
import { type Explanation, OTHERS, type Rule, RULES } from "./explain";
import { type AudioReport, type CallRecording, megabytes, seconds } from "./recordings";
import type { Both } from "./texts";

export type Verdict = "fits" | "refused" | "warned" | "informs" | "not_judged" | "not_measured";

export interface Figure {
  name: Both;
  /** Which channel, 0 or 1; null for the whole file. */
  channel: 0 | 1 | null;
  /** The value and its limit for people; numbers are written with a point. */
  measured: Both | null;
  limit: Both | null;
  verdict: Verdict;
  explanation: Explanation;
}

const MIN_DURATION_S = 16;
const MIN_SNR_DB = 15;
const MIN_LOW_EDGE_DB = -10.5;
const MIN_HIGH_EDGE_DB = -26.5;
const MIN_SPEECH_S = 1;
const MOST_BYTES = 50 * 1024 * 1024;
/** Advice of ours, no rule: a channel so quiet, clipped or offset is worth a look. */
const QUIET_DBFS = -45;
const CLIPPED = 0.001;
const OFFSET = 0.02;

/** Cut down, not rounded: 14.99 dB must not read as 15. */
function cut(value: number, digits: number): string {
  const scale = 10 ** digits;
  return (Math.floor(value * scale + 1e-9) / scale).toFixed(digits).replace("-", "−").replace(/\.000$/, "");
}

const unit = (value: string, english: string, russian: string): Both => [`${value} ${english}`, `${value.replace(".", ",")} ${russian}`];
const decibels = (value: number): Both => unit(cut(value, 1), "dB", "дБ");
const share = (value: number): Both => unit(cut(value * 100, 1), "%", "%");
const least = ([english, russian]: Both): Both => [`at least ${english}`, `не менее ${russian}`];

/** The figures of a recording, those that a rule judges first. */
export function figuresOf(record: CallRecording, report: AudioReport, account: Account): Figure[] {
  const judge = (rule: Rule, isKept: boolean | null): Verdict => {
    if (isKept === null) return "not_measured";
    if (isKept) return "fits";
    const policy = account.audio?.policies?.find((each) => each.rule === rule)?.policy;
    return policy === "RULE_POLICY_WARN" ? "warned" : policy === "RULE_POLICY_OFF" ? "not_judged" : "refused";
  };
  const size = record.recording?.source_size_bytes;
  const sizeFigure: Figure[] = size === undefined ? [] : [
    { name: ["Size", "Размер"], channel: null, measured: unit(megabytes(Number(size)).toFixed(2), "MB", "МБ"), limit: ["at most 50 MB", "не более 50 МБ"], verdict: Number(size) <= MOST_BYTES ? "fits" : "refused", explanation: OTHERS.size },
  ];
  if (!record.isWav) return [...sizeFigure, ...ofMp3(report)];
  return [...ofFile(report, judge), ...sizeFigure, ...(report.channels ?? []).flatMap((_, at) => ofChannel(report, at as 0 | 1, judge)), ...ofTalk(report)];
}

function ofMp3(report: AudioReport): Figure[] {
  const duration = seconds(report.duration);
  const length: Figure[] = duration === null ? [] : [{ name: ["Length", "Длина"], channel: null, measured: unit(cut(duration, 1), "s", "с"), limit: null, verdict: "informs", explanation: { means: RULES.AUDIO_RULE_DURATION.means, change: ["", ""] } }];
  const codec: Figure[] = report.codec ? [{ name: ["Encoding", "Кодирование"], channel: null, measured: [report.codec, report.codec], limit: ["MP3", "MP3"], verdict: "fits", explanation: { means: ["How the sound is written down.", "Как записан звук."], change: ["", ""] } }] : [];
  return [...codec, ...length];
}

type Judge = (rule: Rule, isKept: boolean | null) => Verdict;

function ofFile(report: AudioReport, judge: Judge): Figure[] {
  const duration = seconds(report.duration);
  const failed = report.failure?.rule;
  const figure = (rule: Rule, name: Both, measured: Both | null, limit: Both, isKept: boolean | null): Figure => ({ name, channel: null, measured, limit, verdict: judge(rule, isKept), explanation: RULES[rule] });
  const count = report.channel_count;
  const rate = report.sample_rate_hz;
  const found = [
    figure("AUDIO_RULE_CHANNEL_COUNT", ["Channels", "Каналы"], count === undefined ? null : [String(count), String(count)], ["exactly 2", "ровно 2"], count === undefined ? null : count === 2),
    figure("AUDIO_RULE_ENCODING", ["Encoding", "Кодирование"], report.codec ? [report.codec, report.codec] : null, ["PCM 16 bit", "PCM 16 бит"], report.codec ? failed !== "AUDIO_RULE_ENCODING" : null),
    figure("AUDIO_RULE_SAMPLE_RATE", ["Sample rate", "Частота"], rate === undefined ? null : unit(String(rate), "Hz", "Гц"), unit("8000", "Hz", "Гц"), rate === undefined ? null : rate === 8000),
    figure("AUDIO_RULE_DURATION", ["Length", "Длина"], duration === null ? null : unit(cut(duration, 3), "s", "с"), least(unit(String(MIN_DURATION_S), "s", "с")), duration === null ? null : duration >= MIN_DURATION_S),
  ];
  if (report.has_identical_channels !== undefined) {
    const same = report.has_identical_channels;
    found.push({ ...figure("AUDIO_RULE_DISTINCT_CHANNELS", ["Two sides apart", "Стороны раздельно"], same ? ["both channels hold the same", "в обоих каналах одно и то же"] : ["they differ", "различаются"], ["they differ", "различаются"], true), verdict: same ? "warned" : "fits" });
  }
  return found;
}

function ofChannel(report: AudioReport, at: 0 | 1, judge: Judge): Figure[] {
  const channel = report.channels![at]!;
  const spoken = seconds(channel.speech_duration);
  const wasLooked = spoken !== null;
  const isJudged = channel.is_judged === true;
  const figure = (name: Both, value: number | undefined, limit: number, rule: Rule): Figure[] =>
    value === undefined ? [] : [{ name, channel: at, measured: decibels(value), limit: least(decibels(limit)), verdict: isJudged ? judge(rule, value >= limit) : "not_judged", explanation: RULES[rule] }];
  const speech: Figure[] = !wasLooked ? [] : [{ name: ["Speech", "Речь"], channel: at, measured: unit(cut(spoken, 1), "s", "с"), limit: least(unit(String(MIN_SPEECH_S), "s", "с")), verdict: isJudged ? "fits" : noneJudged(report) ? judge("AUDIO_RULE_SPEECH", false) : "warned", explanation: RULES.AUDIO_RULE_SPEECH }];
  const info = (name: Both, measured: Both, looksWrong: boolean, explanation: Explanation): Figure => ({ name, channel: at, measured, limit: null, verdict: looksWrong ? "warned" : "informs", explanation });
  const found = [
    ...speech,
    ...figure(["Speech over noise", "Речь над шумом"], channel.snr_db, MIN_SNR_DB, "AUDIO_RULE_SIGNAL_TO_NOISE"),
    ...figure(["Low end, 330 Hz", "Нижний край, 330 Гц"], channel.low_edge_db, MIN_LOW_EDGE_DB, "AUDIO_RULE_BAND"),
    ...figure(["High end, 3400 Hz", "Верхний край, 3400 Гц"], channel.high_edge_db, MIN_HIGH_EDGE_DB, "AUDIO_RULE_BAND"),
  ];
  if (channel.is_dead) return [...found, info(["Level", "Уровень"], ["no sound", "звука нет"], true, OTHERS.dead)];
  if (channel.level_dbfs !== undefined) found.push(info(["Level", "Уровень"], unit(cut(channel.level_dbfs, 1), "dBFS", "дБFS"), channel.level_dbfs < QUIET_DBFS, OTHERS.level));
  if (channel.clipping_share !== undefined) found.push(info(["Clipping", "Перегруз"], share(channel.clipping_share), channel.clipping_share > CLIPPED, OTHERS.clipping));
  if (channel.dc_offset !== undefined) found.push(info(["Offset from zero", "Смещение нуля"], share(Math.abs(channel.dc_offset)), Math.abs(channel.dc_offset) > OFFSET, OTHERS.offset));
  return found;
}

function noneJudged(report: AudioReport): boolean {
  return !(report.channels ?? []).some((each) => each.is_judged);
}

function ofTalk(report: AudioReport): Figure[] {
  const figure = (name: Both, value: number | undefined, explanation: Explanation): Figure[] => (value === undefined ? [] : [{ name, channel: null, measured: share(value), limit: null, verdict: "informs", explanation }]);
  return [...figure(["Both at once", "Оба сразу"], report.overlap_share, OTHERS.overlap), ...figure(["Silence", "Тишина"], report.silence_share, OTHERS.silence)];
}
