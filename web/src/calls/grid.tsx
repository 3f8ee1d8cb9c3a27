/** The rows of the list of calls: only those near what is seen are in the page, whatever the number of calls. */
import { Text } from "@mantine/core";
import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Link } from "wouter";
import type { Call } from "../api/client";
import { useLanguage } from "../language";
import { shown } from "../strangers";
import { cell } from "./cells";
import type { Column, View } from "./filters";
import type { Loaded } from "./loading";

const ROW_PX = 36;
/** More than these many that came by themselves are let go of, once the list stands at its beginning. */
const MOST_COME = 2000;
/** The next page is asked for this many rows before the end of those that are there. */
const AHEAD = 150;
const WIDTHS_PX: Record<Column, number> = { start_time: 165, status: 120, direction: 180, calling: 135, called: 135, employees: 180, duration: 100, tags: 160, verdict: 340, ext_id: 200, comment: 260 };

/** The table. One Tab leads to it, the next to a call; from there arrows, PageUp, PageDown, Home and End go from call to call, and Enter opens one. `onGrown` is called when the list should be asked anew. */
export function Grid({ loaded, view, timeZone, onGrown }: { loaded: Loaded; view: View; timeZone: string; onGrown: () => void }) {
  const { text } = useLanguage();
  const box = useRef<HTMLDivElement>(null);
  const { calls, isWhole, isLoading, more, come } = loaded;
  const [active, setActive] = useState<string | null>(null);
  const activeIndex = useMemo(() => (active === null ? -1 : calls.findIndex((call) => call.call_session_id === active)), [calls, active]);
  const rows = useVirtualizer({
    count: calls.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    // The row that has the focus stays, wherever one scrolls.
    rangeExtractor: (range) => {
      const near = defaultRangeExtractor(range);
      return activeIndex < 0 || near.includes(activeIndex) ? near : [...near, activeIndex].sort((one, other) => one - other);
    },
  });
  const near = rows.getVirtualItems();
  const last = rows.range?.endIndex ?? 0;
  const first = rows.range?.startIndex ?? 0;
  useEffect(() => {
    if (!isWhole && last >= calls.length - AHEAD) more();
  }, [last, calls.length, isWhole, more]);
  useEffect(() => {
    if (come > MOST_COME && first === 0 && active === null && !isLoading) onGrown();
  }, [come, first, active, isLoading, onGrown]);

  const isDue = useRef(false);
  useLayoutEffect(() => {
    if (!isDue.current || active === null) return;
    isDue.current = false;
    // The head of the table lies over the first row's height of what is seen.
    if (box.current) box.current.scrollTop = Math.max(Math.min(box.current.scrollTop, activeIndex * ROW_PX), (activeIndex + 2) * ROW_PX - box.current.clientHeight);
    box.current?.querySelector<HTMLElement>(`[data-call="${CSS.escape(active)}"] a`)?.focus({ preventScroll: true });
  }, [active, activeIndex]);
  function goTo(event: KeyboardEvent) {
    if (activeIndex < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / ROW_PX) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -calls.length, End: calls.length };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.min(Math.max(activeIndex + step, 0), calls.length - 1);
    isDue.current = true;
    setActive(calls[next]?.call_session_id ?? null);
  }
  const stop = activeIndex < 0 ? first : activeIndex;

  return (
    <div
      className="grid" ref={box} role="table" aria-label={text("calls")} aria-rowcount={isWhole ? calls.length + 1 : -1} tabIndex={0} onKeyDown={goTo}
      onBlur={(event) => event.currentTarget.contains(event.relatedTarget) || setActive(null)}
    >
      <div className="row head-row" role="row" aria-rowindex={1}>
        {view.columns.map((column) => (
          <div key={column} className="cell" role="columnheader" style={{ width: WIDTHS_PX[column] }}>
            {text(column)}
          </div>
        ))}
      </div>
      <div className="rows" role="rowgroup" style={{ height: rows.getTotalSize() }}>
        {near.map((row) => {
          const call = calls[row.index];
          return call && <Row key={call.call_session_id} call={call} index={row.index} startPx={row.start} columns={view.columns} timeZone={timeZone} isStop={row.index === stop} onFocus={setActive} />;
        })}
      </div>
      {isWhole && !calls.length && <Text p="md">{text("no_calls")}</Text>}
    </div>
  );
}

interface RowProps {
  call: Call;
  index: number;
  startPx: number;
  columns: readonly Column[];
  timeZone: string;
  /** Whether Tab stops at it. */
  isStop: boolean;
  onFocus: (id: string | null) => void;
}

const Row = memo(function Row({ call, index, startPx, columns, timeZone, isStop, onFocus }: RowProps) {
  const { text } = useLanguage();
  const id = call.call_session_id ?? "";
  const said = useMemo(() => columns.map((column) => shown(cell(call, column, timeZone, text))), [call, columns, timeZone, text]);
  const focused = useCallback(() => onFocus(id), [onFocus, id]);
  return (
    <div className="row" role="row" aria-rowindex={index + 2} data-call={id} style={{ transform: `translateY(${startPx}px)` }}>
      {columns.map((column, at) => (
        <div key={column} className="cell" role="cell" title={said[at]} style={{ width: WIDTHS_PX[column] }}>
          {at ? said[at] : <Link href={`/calls/${id}`} tabIndex={isStop ? 0 : -1} onFocus={focused}>{said[at] || "…"}</Link>}
        </div>
      ))}
    </div>
  );
});
