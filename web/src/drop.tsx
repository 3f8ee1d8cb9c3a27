/** A place to drop files and folders on, and buttons for those who do not drag. */
import { Button, Group, Paper, Text } from "@mantine/core";
import { type DragEvent, useRef, useState } from "react";

/** What was chosen or dropped: files by their path in it. */
export interface Chosen {
  path: string;
  file: File;
}

interface Words {
  drop: string;
  file: string;
  folder?: string;
}

/** `onChosen` gets at least one file. */
export function Drop({ words, accept, disabled, isMany = false, onChosen }: { words: Words; accept?: string; disabled: boolean; isMany?: boolean; onChosen: (chosen: Chosen[]) => void }) {
  const [isOver, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const give = (chosen: Chosen[]) => chosen.length && onChosen(chosen);
  const take = (input: HTMLInputElement) => {
    give(Array.from(input.files ?? [], (file) => ({ path: file.webkitRelativePath || file.name, file })));
    // The same file may be chosen again.
    input.value = "";
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    if (!disabled) void dropped(event.dataTransfer).then(give);
  };
  return (
    <Paper
      withBorder p="lg" style={{ borderStyle: "dashed", borderColor: isOver ? "var(--mantine-primary-color-filled)" : undefined, textAlign: "center" }}
      onDragOver={(event) => (event.preventDefault(), setOver(!disabled))} onDragLeave={() => setOver(false)} onDrop={drop}
    >
      <Text mb="sm">{words.drop}</Text>
      <Group justify="center">
        <Button disabled={disabled} onClick={() => files.current?.click()}>{words.file}</Button>
        {words.folder && <Button variant="default" disabled={disabled} onClick={() => folder.current?.click()}>{words.folder}</Button>}
      </Group>
      <input ref={files} type="file" multiple={isMany} accept={accept} hidden aria-label={words.file} onChange={(event) => take(event.currentTarget)} />
      {words.folder && <input ref={folder} type="file" multiple hidden aria-label={words.folder} onChange={(event) => take(event.currentTarget)} {...{ webkitdirectory: "" }} />}
    </Paper>
  );
}

async function dropped(data: DataTransfer): Promise<Chosen[]> {
  // The list is emptied when the event is over: entries are taken at once.
  const entries = Array.from(data.items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry: FileSystemEntry): Promise<Chosen[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Chosen[] = [];
  for (;;) {
    // A hundred at a time, until there are none.
    const entries = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (!entries.length) return found;
    for (const each of entries) found.push(...(await filesOf(each)));
  }
}
