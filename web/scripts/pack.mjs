// Prints what the first load weighs, and fails above the limit of docs/decisions/0017-client-area.md.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 250 * 1024;
const folder = new URL("../../services/media/app/", import.meta.url);
const page = readFileSync(new URL("index.html", folder), "utf8");
const named = [...page.matchAll(/(?:src|href)="\/app\/(assets\/[^"]+)"/g)].map((found) => found[1]);
const bytes = [page, ...named.map((name) => readFileSync(new URL(name, folder)))].reduce((sum, each) => sum + gzipSync(each, { level: 9 }).length, 0);
console.log(`first load: ${(bytes / 1024).toFixed(1)} KiB compressed, of ${LIMIT_BYTES / 1024} at most (${named.join(", ")})`);
if (bytes > LIMIT_BYTES) process.exit(1);
