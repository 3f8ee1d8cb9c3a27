/** The language of the page, for every component. */
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { firstLanguage, keepLanguage, type Language, type Text, textIn } from "./texts";

interface Spoken {
  language: Language;
  text: (text: Text) => string;
  setLanguage: (language: Language) => void;
}

const Context = createContext<Spoken | null>(null);

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, choose] = useState(firstLanguage);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const setLanguage = (chosen: Language) => {
    keepLanguage(chosen);
    choose(chosen);
  };
  return <Context value={{ language, text: (text) => textIn(language, text), setLanguage }}>{children}</Context>;
}

/** The language, its texts, and how to change it. */
export function useLanguage(): Spoken {
  const found = useContext(Context);
  if (found === null) throw new Error("there is no LanguageProvider above");
  return found;
}
