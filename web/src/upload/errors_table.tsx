/** What is wrong, by line: as many rows as there are, of which only those in sight are drawn. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import { useTexts } from "../own_texts";
import { TEXTS } from "./texts";
import type { ErrorRow } from "./upload";

const ROW_PX = 36;
const SHOWN_CHARACTERS = 300;
const WIDTHS_PX = { line: 80, ext_id: 160, field: 220, what: 460, came: 240 };
const COLUMNS = Object.keys(WIDTHS_PX) as (keyof typeof WIDTHS_PX)[];

export function ErrorsTable({ errors, say }: { errors: readonly ErrorRow[]; say: (error: ErrorRow) => string }) {
  const text = useTexts(TEXTS);
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: errors.length, getScrollElement: () => box.current, estimateSize: () => ROW_PX, overscan: 12 });
  return (
    <div className="grid" ref={box} role="table" aria-label={text("errors")} aria-rowcount={errors.length + 1} tabIndex={0} style={{ minHeight: Math.min(errors.length + 1.5, 10) * ROW_PX }}>
      <div className="row head-row" role="row" aria-rowindex={1}>
        {COLUMNS.map((column) => (
          <div key={column} className="cell" role="columnheader" style={{ width: WIDTHS_PX[column] }}>
            {text(column)}
          </div>
        ))}
      </div>
      <div className="rows" role="rowgroup" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const error = errors[index];
          if (!error) return null;
          const cells = { line: String(error.place), ext_id: error.extId, field: error.field, what: say(error), came: error.came };
          return (
            <div key={index} className="row" role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${start}px)` }}>
              {COLUMNS.map((column) => (
                <div key={column} className="cell" role="cell" title={cells[column].slice(0, SHOWN_CHARACTERS)} style={{ width: WIDTHS_PX[column] }}>
                  {cells[column].slice(0, SHOWN_CHARACTERS)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
