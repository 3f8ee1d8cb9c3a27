/** Text that strangers wrote, made fit to be read: nothing in it stays unseen or turns its neighbours around. */

const LONGEST = 400;
/** A joiner that makes one emoji of two, or shapes letters of a script that needs it, is no trick (UTS 51, Unicode 15 chapter 23.2). */
const NEEDED = /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\u{FE0F}])\u200D(?=\p{Extended_Pictographic})|(?<=[\p{Script=Arabic}\p{Script=Devanagari}\p{M}])[\u200C\u200D](?=[\p{Script=Arabic}\p{Script=Devanagari}])|[\u{FE0E}\u{FE0F}]/uy;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** The text, at most 400 letters of it, with each character that is not seen or turns the direction as its number, [U+202E]. Line breaks and tabs are spaces. */
export function shown(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST).replace(/[\uD800-\uDBFF]$/, "")}…` : text;
  return cut.replace(UNSEEN, (found, at: number) => {
    if (/[\t\n\r]/.test(found)) return " ";
    NEEDED.lastIndex = at;
    return NEEDED.test(cut) ? found : `[U+${found.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}
