/** The list of calls: filters, columns, scrolling without an end, changes as they come. */
import { Badge, Button, Checkbox, Group, MultiSelect, NativeSelect, Popover, Stack, Text, TextInput } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { useLanguage } from "../language";
import { Problem } from "../problem";
import type { PageProps } from "../routes";
import { csv } from "./cells";
import { COLUMNS, readView, type ShownStatus, type Sort, SORTS, STATUSES, VERDICTS, type View, writeView } from "./filters";
import { Grid } from "./grid";
import { allCalls, useCalls } from "./loading";

const TYPING_PAUSE_MS = 400;

export function CallsPage({ account }: PageProps) {
  const timeZone = account.time_zone ?? "UTC";
  const [view, setView] = useState<View>(() => readView(location.search));
  const [generation, setGeneration] = useState(0);
  const anew = useCallback(() => setGeneration((count) => count + 1), []);
  const loaded = useCalls(view, timeZone, generation, anew);
  const [failure, setFailure] = useState<unknown>(null);
  const { text } = useLanguage();
  useEffect(() => history.replaceState(null, "", `/app/calls${writeView(view)}`), [view]);

  const count = `${loaded.calls.length} ${text(loaded.isWhole ? "all_loaded" : "loaded")}`;
  // Said to a screen reader for each view once: not for each call that comes, nor for each page.
  const [told, tell] = useState("");
  useEffect(() => {
    if (loaded.answers) tell(count);
  }, [loaded.answers]);

  return (
    <>
      <Filters view={view} timeZone={timeZone} onChange={setView} onFailure={setFailure} />
      <Problem error={failure ?? loaded.problem} />
      <Grid loaded={loaded} view={view} timeZone={timeZone} onGrown={anew} />
      <Group justify="space-between">
        <Text size="sm">{loaded.isLoading && !loaded.calls.length ? text("loading") : count}</Text>
        <Badge color={loaded.isLive ? "#1f6b36" : "gray.7"}>{text(loaded.isLive ? "live" : "not_live")}</Badge>
      </Group>
      <p role="status" className="unseen">{told}</p>
    </>
  );
}

function Filters({ view, timeZone, onChange, onFailure }: { view: View; timeZone: string; onChange: (view: View) => void; onFailure: (error: unknown) => void }) {
  const { text } = useLanguage();
  const change = (part: Partial<View>) => onChange({ ...view, ...part });
  const [copied, setCopied] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [isSaving, setSaving] = useState(false);
  async function save() {
    setSaving(true);
    try {
      offer(csv(await allCalls(view, timeZone), view.columns, timeZone, text));
      onFailure(null);
    } catch (error) {
      onFailure(error);
    } finally {
      setSaving(false);
    }
  }
  function offer(content: string) {
    const file = new Blob([content], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "calls.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }
  return (
    <>
      <Button className="filters-toggle" variant="default" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>{text("filters")}</Button>
    <Group align="end" gap="sm" pt="sm" role="search" className={isOpen ? "filters open" : "filters"}>
      <TextInput size="sm" type="datetime-local" label={`${text("from")} (${timeZone})`} value={view.from} onChange={(event) => change({ from: event.currentTarget.value })} />
      <TextInput size="sm" type="datetime-local" label={text("before")} value={view.before} onChange={(event) => change({ before: event.currentTarget.value })} />
      <MultiSelect
        miw={160} label={text("status")} value={view.statuses} clearable
        data={STATUSES.map((status) => ({ value: status, label: text(status) }))}
        onChange={(chosen) => change({ statuses: STATUSES.filter((status) => (chosen as ShownStatus[]).includes(status)) })}
      />
      <NativeSelect
        label={text("direction")} value={view.direction} onChange={(event) => change({ direction: event.currentTarget.value as View["direction"] })}
        data={[{ value: "", label: text("any") }, { value: "in", label: text("in") }, { value: "out", label: text("out") }]}
      />
      <NativeSelect
        label={text("answer")} value={view.answer} onChange={(event) => change({ answer: event.currentTarget.value as View["answer"] })}
        data={[{ value: "", label: text("any") }, { value: "lost", label: text("lost") }, { value: "successful", label: text("successful") }]}
      />
      <NativeSelect
        label={text("verdict")} value={view.verdict} onChange={(event) => change({ verdict: event.currentTarget.value })}
        data={[{ value: "", label: text("any") }, ...VERDICTS.map((verdict) => ({ value: verdict, label: verdict === "accepted" ? text("accepted") : verdict }))]}
      />
      <Typed label={text("employee")} value={view.employee} onChange={(employee) => change({ employee })} />
      <Typed label={text("tag")} value={view.tag} onChange={(tag) => change({ tag })} />
      <Typed label={text("number")} value={view.number} onChange={(number) => change({ number })} type="tel" />
      <Typed label={text("words")} value={view.words} onChange={(words) => change({ words })} type="search" />
      <NativeSelect
        label={text("sort")} value={view.sort} onChange={(event) => change({ sort: event.currentTarget.value as Sort })}
        data={SORTS.map((sort) => ({ value: sort, label: text(`sort_${sort}`) }))}
      />
      <Button variant="subtle" onClick={() => onChange({ ...readView(""), columns: view.columns })}>{text("clear")}</Button>
      <Popover position="bottom-end" trapFocus returnFocus>
        <Popover.Target>
          <Button variant="default">{text("columns")}</Button>
        </Popover.Target>
        <Popover.Dropdown>
          <Stack gap="xs">
            {COLUMNS.map((column) => (
              <Checkbox
                key={column} label={text(column)} checked={view.columns.includes(column)}
                onChange={(event) => change({ columns: COLUMNS.filter((each) => (each === column ? event.currentTarget.checked : view.columns.includes(each))) })}
              />
            ))}
          </Stack>
        </Popover.Dropdown>
      </Popover>
      <Button variant="default" loading={isSaving} onClick={() => void save()}>{text("export_csv")}</Button>
      <Button variant="default" onClick={() => void navigator.clipboard?.writeText(location.href).then(() => setCopied(location.href), () => undefined)}>{text(copied === location.href ? "copied" : "copy_link")}</Button>
    </Group>
    </>
  );
}

/** An input whose value is taken when typing pauses, or at Enter. */
function Typed({ label, value, onChange, type = "text" }: { label: string; value: string; onChange: (value: string) => void; type?: "text" | "tel" | "search" }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const paused = setTimeout(() => onChange(typed), TYPING_PAUSE_MS);
    return () => clearTimeout(paused);
  }, [typed, value, onChange]);
  return <TextInput w={150} label={label} type={type} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} onKeyDown={(event) => event.key === "Enter" && onChange(typed)} />;
}
