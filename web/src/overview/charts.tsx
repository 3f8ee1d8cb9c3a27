/** The overview's charts, drawn by Recharts (docs/decisions/0018-charts.md); each has its numbers as a table too. */
import { Table, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Bar, BarChart, CartesianGrid, Legend, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { useTexts } from "../own_texts";
import { TEXTS } from "./texts";

const HEIGHT_PX = 260;
const AXIS = { stroke: "var(--mantine-color-dimmed)", tick: { fill: "var(--mantine-color-text)", fontSize: 12 }, tickLine: false };

/** One kind of bars. */
export interface Series<Row> {
  key: keyof Row & string;
  name: string;
  color: string;
}

/** Bars of each row, stacked, under a heading. */
export function Bars<Row extends { name: string }>({ title, rowName, rows, series, children }: { title: string; rowName: string; rows: readonly Row[]; series: readonly Series<Row>[]; children?: ReactNode }) {
  const text = useTexts(TEXTS);
  return (
    <section>
      <Title order={2} size="h4" mb="xs">{title}</Title>
      <figure className="chart" role="img" aria-label={`${title}: ${text("as_table")}`}>
        <ResponsiveContainer width="100%" height={HEIGHT_PX}>
          <BarChart data={rows as Row[]} margin={{ top: 8, right: 8, left: 0, bottom: 0 }} accessibilityLayer={false}>
            <CartesianGrid vertical={false} stroke="var(--mantine-color-default-border)" />
            <XAxis dataKey="name" interval="preserveStartEnd" minTickGap={12} {...AXIS} />
            <YAxis allowDecimals={false} width={44} axisLine={false} {...AXIS} />
            <Tooltip
              cursor={{ fill: "var(--mantine-color-default-hover)" }} isAnimationActive={false}
              contentStyle={{ background: "var(--mantine-color-body)", borderColor: "var(--mantine-color-default-border)", color: "var(--mantine-color-text)" }} itemStyle={{ color: "var(--mantine-color-text)" }}
            />
            {series.length > 1 && <Legend formatter={(name: string) => <span className="legend">{name}</span>} />}
            {series.map(({ key, name, color }) => <Bar key={key} dataKey={key as string} name={name} stackId="all" fill={color} isAnimationActive={false} maxBarSize={48} />)}
          </BarChart>
        </ResponsiveContainer>
      </figure>
      {children}
      <details>
        <summary>{text("as_table")}</summary>
        <Table aria-label={title} maw={560}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{rowName}</Table.Th>
              {series.map(({ key, name }) => <Table.Th key={key}>{name}</Table.Th>)}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.name}>
                <Table.Th>{row.name}</Table.Th>
                {series.map(({ key }) => <Table.Td key={key}>{String(row[key])}</Table.Td>)}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </details>
    </section>
  );
}
