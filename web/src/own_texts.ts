/** Texts of one page, in English and Russian, that come with its chunk and weigh nothing at the first load. */
import { useLanguage } from "./language";

export type OwnTexts = Readonly<Record<string, readonly [string, string]>>;

/** How to say a page's texts in the language that was chosen. */
export function useTexts<Table extends OwnTexts>(texts: Table): (text: keyof Table & string) => string {
  const { language } = useLanguage();
  return (text) => (texts[text] ?? ["", ""])[language === "en" ? 0 : 1];
}
