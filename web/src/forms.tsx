/** What forms are made of: sections that say what a token may not do, what became of a change, secrets that are shown once, and asking before harm. */
import { Alert, Button, Code, CopyButton, Fieldset, Group, Stack, Text } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { Refused } from "./api/client";
import { useTexts } from "./own_texts";
import { type Need, useSession } from "./session";

const TEXTS = {
  needs_admin: ["Your token may look at this and not change it: that needs a token of role admin.", "Ваш токен позволяет это смотреть, но не менять: нужен токен с ролью admin."],
  needs_upload: ["Your token may look at this and not change it: that needs a token of role upload or admin.", "Ваш токен позволяет это смотреть, но не менять: нужен токен с ролью upload или admin."],
  save: ["Save", "Сохранить"],
  saved: ["Saved.", "Сохранено."],
  no_answer: ["calldock does not answer. Try again: what you typed is still here.", "calldock не отвечает. Попробуйте ещё раз: введённое на месте."],
  signed_out: ["Your session is over. Sign in and try again: what you typed is still here.", "Сеанс закончился. Войдите и повторите: введённое на месте."],
  copy: ["Copy", "Скопировать"],
  copied: ["Copied", "Скопировано"],
  close: ["I have kept it", "Сохранено у меня"],
  once: ["It is shown this once. Keep it now.", "Показывается один раз. Сохраните сейчас."],
  yes: ["Yes", "Да"],
  no: ["No", "Нет"],
} as const;

export interface Act<Arguments extends unknown[]> {
  run: (...args: Arguments) => void;
  isBusy: boolean;
  isDone: boolean;
  error: unknown;
}

/** A change that a person asks for, and what became of it. */
export function useAct<Arguments extends unknown[]>(act: (...args: Arguments) => Promise<unknown>): Act<Arguments> {
  const [state, setState] = useState<{ isBusy: boolean; isDone: boolean; error: unknown }>({ isBusy: false, isDone: false, error: null });
  const run = (...args: Arguments) => {
    setState({ isBusy: true, isDone: false, error: null });
    act(...args).then(
      () => setState({ isBusy: false, isDone: true, error: null }),
      (error: unknown) => setState({ isBusy: false, isDone: false, error }),
    );
  };
  return { run, ...state };
}

/** Says why a change failed, or that it is done. */
export function Outcome({ act, quiet = false }: { act: Pick<Act<[]>, "isDone" | "error">; quiet?: boolean }) {
  const text = useTexts(TEXTS);
  if (act.error) {
    const { status, message } = act.error instanceof Refused ? act.error : { status: 0, message: "" };
    return <Alert color="red" role="alert" className="stranger">{status === 401 ? text("signed_out") : status === 0 || status >= 500 || !message ? text("no_answer") : message}</Alert>;
  }
  return <div role="status">{act.isDone && !quiet && <Text className="good">{text("saved")}</Text>}</div>;
}

/** A part of a page that only some tokens may use; others see it disabled, with the reason. */
export function Section({ title, need, children }: { title: string; need: Need; children: ReactNode }) {
  const text = useTexts(TEXTS);
  const { may, isKnown } = useSession();
  return (
    <Fieldset legend={title} disabled={!may(need)}>
      <Stack gap="sm">
        {isKnown && !may(need) && <Text size="sm" fs="italic">{text(need === "admin" ? "needs_admin" : "needs_upload")}</Text>}
        {children}
      </Stack>
    </Fieldset>
  );
}

/** A form whose button saves; `run` is asked when it is sent. */
export function Form({ act, label, disabled = false, quiet, children }: { act: Act<[]>; label?: string; disabled?: boolean; quiet?: boolean; children: ReactNode }) {
  const text = useTexts(TEXTS);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.run();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {children}
        <Group>
          <Button type="submit" loading={act.isBusy} disabled={disabled}>{label ?? text("save")}</Button>
          <Outcome act={act} quiet={quiet} />
        </Group>
      </Stack>
    </form>
  );
}

/** Room for a table that is wider than a phone: scrolled by finger, and by keyboard. */
export function Wide({ label, px, children }: { label: string; px: number; children: ReactNode }) {
  return (
    <div className="wide-table" role="group" aria-label={label} tabIndex={0}>
      <div style={{ minWidth: px }}>{children}</div>
    </div>
  );
}

/** A secret that is answered once. */
export function ShownOnce({ title, secret, onClose }: { title: string; secret: string; onClose: () => void }) {
  const text = useTexts(TEXTS);
  return (
    <Alert color="green" title={title} role="status">
      <Stack gap="xs" align="start">
        <Text size="sm">{text("once")}</Text>
        <Code className="stranger secret">{secret}</Code>
        <Group>
          <CopyButton value={secret}>{({ copied, copy }) => <Button variant="default" size="xs" onClick={copy}>{text(copied ? "copied" : "copy")}</Button>}</CopyButton>
          <Button variant="default" size="xs" onClick={onClose}>{text("close")}</Button>
        </Group>
      </Stack>
    </Alert>
  );
}

/** A button that asks before it does harm; `of` says to what, for those who do not see the row. */
export function Asked({ label, of, question, onYes }: { label: string; of: string; question: string; onYes: () => void }) {
  const text = useTexts(TEXTS);
  const [isAsking, setAsking] = useState(false);
  if (!isAsking) return <Button size="compact-sm" variant="default" onClick={() => setAsking(true)} aria-label={`${label}: ${of.slice(0, 100)}`}>{label}</Button>;
  return (
    <Group gap="xs" role="group" aria-label={question}>
      <Text size="sm">{question}</Text>
      <Button size="compact-sm" color="red" autoFocus onClick={() => (setAsking(false), onYes())}>{text("yes")}</Button>
      <Button size="compact-sm" variant="default" onClick={() => setAsking(false)}>{text("no")}</Button>
    </Group>
  );
}
