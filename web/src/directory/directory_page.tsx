/** The directory: sites with their numbers, campaigns, employees and tags; list, add, change. */
import { Button, Checkbox, Group, Modal, SimpleGrid, Table, Tabs, Text, Textarea, TextInput, Title } from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useParams } from "wouter";
import { Form, Section, useAct, Wide } from "../forms";
import { useTexts } from "../own_texts";
import { Problem } from "../problem";
import { useSession } from "../session";
import { type Entry, type Kind, KIND_NAMES, type KindName, KINDS, type Said } from "./kinds";
import { TEXTS } from "./texts";

const SHOWN_NUMBERS = 5;

export function DirectoryPage() {
  const text = useTexts(TEXTS);
  const { kind } = useParams<{ kind?: string }>();
  const [, go] = useLocation();
  const shown = KIND_NAMES.find((name) => name === kind) ?? "sites";
  return (
    <div className="scrolls">
      <Title order={1} size="h3">{text("title")}</Title>
      <Text>{text("intro")}</Text>
      <Tabs value={shown} onChange={(chosen) => go(`/directory/${chosen}`)} keepMounted={false}>
        <Tabs.List mb="md">
          {KIND_NAMES.map((name) => <Tabs.Tab key={name} value={name}>{text(name)}</Tabs.Tab>)}
        </Tabs.List>
        {KIND_NAMES.map((name) => (
          <Tabs.Panel key={name} value={name} className="sections">
            <Entries name={name} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </div>
  );
}

function Entries({ name }: { name: KindName }) {
  const text = useTexts(TEXTS);
  const kind: Kind = KINDS[name];
  const { may } = useSession();
  const queries = useQueryClient();
  const [changing, setChanging] = useState<Entry | null>(null);
  const anew = () => queries.invalidateQueries({ queryKey: ["directory", name] });
  const pages = useInfiniteQuery({ queryKey: ["directory", name], queryFn: ({ pageParam }) => kind.list(pageParam), initialPageParam: "", getNextPageParam: ({ next }) => next || undefined });
  const entries = pages.data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <>
      <Section title={text("add")} need={kind.need}>
        <Said kind={kind} label={text("add")} isNew onSaid={(said) => kind.add(said).then(anew)} />
      </Section>
      <Problem error={pages.error} />
      <Wide label={text(name)} px={480}>
        <Table aria-label={text(name)} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{text("number")}</Table.Th>
              <Table.Th>{text(name === "employees" ? "full_name" : "name")}</Table.Th>
              {kind.hasPhones && <Table.Th>{text("phone_numbers")}</Table.Th>}
              {kind.hasState && <Table.Th>{text("state")}</Table.Th>}
              <Table.Td />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {entries.map((entry) => (
              <Table.Tr key={entry.id}>
                <Table.Td>{entry.id}</Table.Td>
                <Table.Td className="stranger">{entry.name.slice(0, 300)}</Table.Td>
                {kind.hasPhones && <Table.Td>{entry.numbers.slice(0, SHOWN_NUMBERS).join(", ")}{entry.numbers.length > SHOWN_NUMBERS && ` … (${entry.numbers.length})`}</Table.Td>}
                {kind.hasState && <Table.Td>{text(entry.isActive ? "active" : "inactive")}</Table.Td>}
                <Table.Td>
                  {entry.isSystem ? text("system") : (
                    <Button size="compact-sm" variant="default" disabled={!may("admin")} aria-label={`${text("change")}: ${entry.name.slice(0, 100)}`} onClick={() => setChanging(entry)}>{text("change")}</Button>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      {pages.data && !entries.length && <Text>{text("none")}</Text>}
      {pages.hasNextPage && <Group><Button variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{text("more")}</Button></Group>}
      <Text size="sm">{text("no_removal")}</Text>
      <Modal opened={changing !== null} onClose={() => setChanging(null)} title={text("change")} closeButtonProps={{ "aria-label": text("close") }} transitionProps={{ duration: 0 }}>
        {changing && <Said kind={kind} label={text("save")} entry={changing} onSaid={(said) => kind.change(changing.id, said).then(anew).then(() => setChanging(null))} />}
      </Modal>
    </>
  );
}

/** What is said of an entry, new or changed. */
function Said({ kind, label, entry, isNew = false, onSaid }: { kind: Kind; label: string; entry?: Entry; isNew?: boolean; onSaid: (said: Said) => Promise<unknown> }) {
  const text = useTexts(TEXTS);
  const [id, setId] = useState("");
  const [name, setName] = useState(entry?.name ?? "");
  const [numbers, setNumbers] = useState((entry?.numbers ?? []).join("\n"));
  const [isActive, setActive] = useState(entry?.isActive ?? true);
  const save = useAct(async () => {
    await onSaid({ id: id.trim(), name, numbers: numbers.split(/[\n,;]/).map((number) => number.trim()).filter(Boolean), isActive });
    if (isNew) [setId, setName, setNumbers].forEach((set) => set(""));
  });
  return (
    <Form act={save} label={label} quiet>
      <SimpleGrid cols={{ base: 1, sm: isNew ? 3 : 1 }}>
        <TextInput label={text("name")} required maxLength={255} value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
        {isNew && kind.hasOwnNumber && <TextInput label={text("own_number")} description={text("own_number_hint")} inputWrapperOrder={["label", "input", "description", "error"]} inputMode="numeric" pattern="[0-9]*" value={id} onChange={(event) => setId(event.currentTarget.value)} />}
        {kind.hasPhones && <Textarea label={text("phone_numbers_field")} autosize minRows={isNew ? 1 : 4} maxRows={12} value={numbers} onChange={(event) => setNumbers(event.currentTarget.value)} />}
      </SimpleGrid>
      {kind.hasState && <Checkbox label={text("is_active")} checked={isActive} onChange={(event) => setActive(event.currentTarget.checked)} />}
    </Form>
  );
}
