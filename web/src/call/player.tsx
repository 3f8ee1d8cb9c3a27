/** The player: a waveform for each channel, who talks when, and keys for all of it. A chunk of its own, with wavesurfer. */
import { Alert, Button, Group, NativeSelect, Text, useComputedColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, memo, useEffect, useMemo, useRef } from "react";
import WaveSurfer from "wavesurfer.js";
import { useLinkedAudio } from "./linked_audio";
import { type CallRecording, clock } from "./recordings";
import { useSides } from "./sides";
import { decoded, reported, type Sound } from "./sound";
import { overlap, share, silence, type Span } from "./talk";
import { useCallTexts } from "./texts";

const SPEEDS = [0.75, 1, 1.25, 1.5, 1.75, 2];
const BAND_PX = 64;
/** Of full scale: what is quieter is not drawn larger than this would be. */
const LEAST_PEAK = 0.05;
/** Employee and customer, still to play and played: of enough contrast on either background. */
const WAVES = { light: [["#4c8bc4", "#0b4a80"], ["#c98a4b", "#7a3d00"]], dark: [["#3f7fb8", "#a5d8ff"], ["#b0712f", "#ffd8a8"]] } as const;

export interface PlayerProps {
  record: CallRecording;
  customer: string;
  /** Seconds. */
  startAt: number;
  /** Hears the whole second that is played. */
  onSecond: (second: number) => void;
}

export function Player({ record, customer, startAt, onSecond }: PlayerProps) {
  const { text } = useCallTexts();
  const id = record.recording?.recording_id ?? "";
  const known = useMemo(() => reported(record), [record]);
  const drawn = useQuery({ queryKey: ["sound", id], queryFn: ({ signal }) => decoded(record, signal), enabled: known === null, staleTime: Infinity, gcTime: 60_000 });
  const sound = known ?? drawn.data ?? null;
  const audio = useLinkedAudio(id, startAt, onSecond);
  const duration = sound?.duration ?? audio.duration;

  function press(event: KeyboardEvent) {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || target instanceof HTMLSelectElement) return;
    if (event.key === " " && target instanceof HTMLButtonElement) return;
    const speed = (step: number) => audio.setSpeed(SPEEDS[Math.min(Math.max(SPEEDS.indexOf(audio.speed) + step, 0), SPEEDS.length - 1)] ?? 1);
    const acts: Record<string, () => void> = {
      " ": audio.toggle, k: audio.toggle, ArrowLeft: () => audio.seekBy(-5), ArrowRight: () => audio.seekBy(5),
      j: () => audio.seekBy(-10), l: () => audio.seekBy(10), Home: () => audio.seek(0), End: () => audio.seek(duration), "<": () => speed(-1), ">": () => speed(1),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  return (
    <section className="player" aria-label={text("player")} onKeyDown={press}>
      <audio ref={audio.ref} preload="metadata" />
      {audio.hasFailed && (
        <Alert color="yellow" role="alert">
          {text("no_sound")} <Button size="compact-sm" color="blue.9" onClick={audio.again}>{text("try_again")}</Button>
        </Alert>
      )}
      <div className="sound">
        {sound ? <Drawing sound={sound} audio={audio} record={record} customer={customer} /> : <Text className="wide" c="dimmed" size="sm">{known === null && drawn.data === undefined && !drawn.isError ? text("decoding") : text("no_outline")}</Text>}
        <span className="lane-name">{text("position")}</span>
        <input
          type="range" min={0} max={duration || 1} step={0.1} value={Math.min(audio.time, duration || 1)} aria-label={text("position")} aria-valuetext={`${clock(audio.time)} / ${clock(duration)}`}
          onChange={(event) => audio.seek(Number(event.currentTarget.value))}
        />
      </div>
      <Group gap="xs" mt="xs">
        <Button color="blue.9" onClick={audio.toggle}>{text(audio.isPlaying ? "pause" : "play")}</Button>
        <Button variant="default" onClick={() => audio.seekBy(-10)} aria-label={text("back_10")}>−10</Button>
        <Button variant="default" onClick={() => audio.seekBy(10)} aria-label={text("on_10")}>+10</Button>
        <output className="time" aria-live="off">{clock(audio.time)} / {clock(duration)}</output>
        <NativeSelect aria-label={text("speed")} w={100} value={String(audio.speed)} onChange={(event) => audio.setSpeed(Number(event.currentTarget.value))} data={SPEEDS.map((each) => ({ value: String(each), label: `${each}×` }))} />
      </Group>
      <Text size="xs" c="dimmed" mt={4}>{text("keys")}</Text>
    </section>
  );
}

/** What was heard of a recording that cannot be listened to, as far as its report draws it. */
export function Outline({ record, customer }: { record: CallRecording; customer: string }) {
  const sound = useMemo(() => reported(record), [record]);
  return sound && <div className="sound"><Drawing sound={sound} audio={null} record={record} customer={customer} /></div>;
}

type Audio = ReturnType<typeof useLinkedAudio>;

function Drawing({ sound, audio, record, customer }: { sound: Sound; audio: Audio | null; record: CallRecording; customer: string }) {
  const { text, number } = useCallTexts();
  const side = useSides(record, customer);
  const { spans, both, quiet } = useMemo(() => {
    const found = sound.channels.map((channel) => channel.spans);
    return { spans: found, both: found.length === 2 ? overlap(found[0]!, found[1]!) : null, quiet: silence(found, sound.duration) };
  }, [sound]);
  const part = (these: readonly Span[]) => `${number(share(these, sound.duration) * 100, 0)} %`;
  const told = (these: readonly Span[]) => `${part(these)} ${text("of_the_time")}`;
  const note = sound.isMeasuredHere ? ` (${text("measured_here")})` : "";
  const height = BAND_PX * sound.channels.length;
  const employee = record.employeeChannel ?? 0;
  return (
    <>
      <div className="band-names">
        {sound.channels.map((_, channel) => (
          <div key={channel} className={`band-name side-${channel === employee ? "employee" : "customer"}`}>
            <bdi>{side(channel)}</bdi>
            {sound.hasSpans && <span className="share" title={told(spans[channel]!)}>{part(spans[channel]!)}</span>}
          </div>
        ))}
      </div>
      <div className="bands" style={{ height }}>
        <Waves sound={sound} audio={audio} employee={employee} />
        {sound.hasSpans && (
          <svg className="spans" viewBox={`0 0 ${sound.duration} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${text("talking")}${note}: ${sound.channels.map((_, channel) => `${side(channel)} ${told(spans[channel]!)}`).join(", ")}`}>
            {spans.map((these, channel) => <Rects key={channel} spans={these} y={BAND_PX * (channel + 1) - 7} height={5} className={`side-${channel === employee ? "employee" : "customer"}`} />)}
          </svg>
        )}
      </div>
      {sound.hasSpans && both && <Lane name={text("overlap")} part={part(both)} told={told(both)} spans={both} duration={sound.duration} kind="overlap" time={audio?.time ?? null} />}
      {sound.hasSpans && <Lane name={text("silence")} part={part(quiet)} told={told(quiet)} spans={quiet} duration={sound.duration} kind="silence" time={audio?.time ?? null} />}
      {note && <Text className="wide" size="xs" c="dimmed">{text("talking")}{note}</Text>}
    </>
  );
}

/** Up to 2,000 spans: drawn once, not with each tick of the player. */
const Rects = memo(function Rects({ spans, y, height, className }: { spans: readonly Span[]; y: number; height: number; className?: string }) {
  return <g className={className}>{spans.map((span) => <rect key={span.start} x={span.start} width={span.end - span.start} y={y} height={height} />)}</g>;
});

function Lane({ name, part, told, spans, duration, kind, time }: { name: string; part: string; told: string; spans: readonly Span[]; duration: number; kind: string; time: number | null }) {
  return (
    <>
      <span className="lane-name">
        {name} <span className="share">{part}</span>
      </span>
      <svg className={`lane ${kind}`} viewBox={`0 0 ${duration} 1`} preserveAspectRatio="none" role="img" aria-label={`${name}: ${told}`}>
        <Rects spans={spans} y={0} height={1} />
        {time !== null && <line x1={time} x2={time} y1={0} y2={1} />}
      </svg>
    </>
  );
}

function Waves({ sound, audio, employee }: { sound: Sound; audio: Audio | null; employee: number }) {
  const scheme = useComputedColorScheme();
  const box = useRef<HTMLDivElement>(null);
  const media = audio?.ref;
  const isReady = audio === null || audio.isLinked;
  useEffect(() => {
    if (!isReady || !box.current) return;
    const colors = WAVES[scheme];
    const drawn = WaveSurfer.create({
      container: box.current,
      ...(media?.current ? { media: media.current } : { interact: false }),
      peaks: sound.channels.map((channel) => channel.peaks),
      duration: sound.duration,
      splitChannels: sound.channels.map((_, channel) => {
        const [waveColor, progressColor] = colors[channel === employee ? 0 : 1];
        return { waveColor, progressColor, height: BAND_PX };
      }),
      height: BAND_PX,
      // By the louder side: a quiet one is to look quiet, and silence is no block of sound.
      normalize: true,
      maxPeak: Math.max(LEAST_PEAK, ...sound.channels.flatMap((channel) => [...channel.peaks])),
      barWidth: 2,
      barGap: 1,
      cursorColor: scheme === "dark" ? "#ffffff" : "#000000",
      hideScrollbar: true,
      cspNonce: document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content,
    });
    return () => drawn.destroy();
    // Sounds are equal when their recording is: the report does not change under a player.
  }, [isReady, scheme, sound.duration, employee]);
  return <div ref={box} className="waves" aria-hidden="true" />;
}
