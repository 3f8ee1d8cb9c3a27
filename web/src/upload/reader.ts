/** The worker that reads a file of calls, so that the page stays free: it posts pieces of calls, and at last that it is done or why not. */
import { type FileCall, type FileFault, readCalls, UnreadableFile } from "./call_files";

export type Read = { calls: FileCall[] } | { isDone: true } | { fault: FileFault | "unreadable"; detail: string };

const PIECE_CALLS = 1000;

self.onmessage = async ({ data: file }: MessageEvent<File>) => {
  const say = (read: Read) => self.postMessage(read);
  let piece: FileCall[] = [];
  try {
    readCalls(file.name, await file.arrayBuffer(), (call) => {
      piece.push(call);
      if (piece.length < PIECE_CALLS) return;
      say({ calls: piece });
      piece = [];
    });
    say({ calls: piece });
    say({ isDone: true });
  } catch (error) {
    say(error instanceof UnreadableFile ? { fault: error.fault, detail: error.detail } : { fault: "unreadable", detail: error instanceof Error ? error.message : "" });
  }
};
