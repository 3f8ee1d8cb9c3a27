/** An audio element that plays by links which end, and are renewed without a word (docs/playback.md). */
import { useCallback, useEffect, useRef, useState } from "react";
import { type Link, link } from "./sound";

/** Two failures within this time are no matter of an old link. */
const AGAIN_MS = 5000;

/** Plays a recording from `startAt` seconds on; `onSecond` hears each whole second that is come to. */
export function useLinkedAudio(recordingId: string, startAt: number, onSecond: (second: number) => void) {
  const ref = useRef<HTMLAudioElement>(null);
  const current = useRef<Link | null>(null);
  const linkedAt = useRef(0);
  /** While another link is loaded the element says 0: where it was counts. */
  const settling = useRef(false);
  const wanted = useRef(startAt);
  const [isLinked, setLinked] = useState(false);
  const [isPlaying, setPlaying] = useState(false);
  const [time, setTime] = useState(startAt);
  const [duration, setDuration] = useState(0);
  const [speed, chooseSpeed] = useState(1);
  const [hasFailed, setFailed] = useState(false);
  const tell = useRef(onSecond);
  tell.current = onSecond;

  /** Takes another link and goes on where it was. */
  const renew = useCallback(
    async (plays: boolean) => {
      const audio = ref.current;
      if (!audio || settling.current) return;
      settling.current = true;
      try {
        current.current = await link(recordingId);
      } catch {
        settling.current = false;
        setFailed(true);
        return;
      }
      linkedAt.current = Date.now();
      audio.src = current.current.path;
      audio.currentTime = wanted.current;
      setFailed(false);
      setLinked(true);
      if (plays) await audio.play().catch(() => undefined);
    },
    [recordingId],
  );
  const isStale = () => current.current === null || Date.now() >= current.current.renewAt;

  useEffect(() => {
    const audio = ref.current;
    if (!audio) return;
    const note = () => {
      if (settling.current) return;
      wanted.current = audio.currentTime;
      setTime(audio.currentTime);
      tell.current(Math.floor(audio.currentTime));
    };
    const heard = {
      loadedmetadata: () => {
        settling.current = false;
        setDuration(audio.duration);
        if (Math.abs(audio.currentTime - wanted.current) > 0.2) audio.currentTime = wanted.current;
        note();
      },
      timeupdate: note,
      seeking: () => {
        if (settling.current) return;
        note();
        if (isStale()) void renew(!audio.paused);
      },
      play: () => setPlaying(true),
      pause: () => setPlaying(false),
      ended: () => setPlaying(false),
      ratechange: () => chooseSpeed(audio.playbackRate),
      error: () => {
        settling.current = false;
        if (!audio.getAttribute("src")) return;
        if (Date.now() - linkedAt.current < AGAIN_MS) setFailed(true);
        else void renew(true);
      },
    };
    for (const [name, listener] of Object.entries(heard)) audio.addEventListener(name, listener);
    void renew(false);
    return () => {
      for (const [name, listener] of Object.entries(heard)) audio.removeEventListener(name, listener);
      audio.pause();
      audio.removeAttribute("src");
      current.current = null;
      settling.current = false;
    };
  }, [renew]);

  const toggle = () => {
    const audio = ref.current;
    if (!audio) return;
    if (!audio.paused) audio.pause();
    else if (isStale()) void renew(true);
    else void audio.play().catch(() => undefined);
  };
  const seek = (to: number) => {
    const audio = ref.current;
    if (!audio) return;
    wanted.current = Math.min(Math.max(to, 0), Number.isFinite(audio.duration) ? audio.duration : Math.max(to, 0));
    audio.currentTime = wanted.current;
    setTime(wanted.current);
  };
  /** By seconds from where it is, which the last drawing may not know yet. */
  const seekBy = (by: number) => seek(wanted.current + by);
  const setSpeed = (chosen: number) => {
    const audio = ref.current;
    if (!audio) return;
    // The default outlives the next link.
    audio.defaultPlaybackRate = chosen;
    audio.playbackRate = chosen;
  };
  return { ref, isLinked, isPlaying, time, duration, speed, hasFailed, toggle, seek, seekBy, setSpeed, again: () => void renew(false) };
}
