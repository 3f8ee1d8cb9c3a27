/** Every text of the client area, in English and Russian. A page adds its own by a line in TEXTS. */
import { CALLS } from "./calls/texts";

const FRAME = {
  calls: ["Calls", "Звонки"],
  overview_page: ["Overview", "Обзор"],
  upload_page: ["Upload", "Загрузка"],
  check_page: ["Check", "Проверка"],
  directory_page: ["Directory", "Справочник"],
  settings_page: ["Settings", "Настройки"],
  sign_in: ["Sign in", "Войти"],
  sign_out: ["Sign out", "Выйти"],
  access_token: ["Access token", "Токен доступа"],
  token_hint: ["It is kept in a cookie that no script can read, for 12 hours. The command calldock open prints a link that needs no token.", "Он хранится 12 часов в cookie, которую не прочтёт ни один скрипт. Команда calldock open печатает ссылку, которой токен не нужен."],
  session_over: ["Your session is over. Sign in to go on: what you have open stays as it is.", "Сеанс закончился. Войдите снова: всё открытое останется на месте."],
  away: ["calldock does not answer. It is asked again by itself.", "calldock не отвечает. Запрос повторяется сам."],
  loading: ["Loading", "Загрузка"],
  skip: ["Skip to the page", "К содержимому"],
  navigation: ["Pages", "Разделы"],
  not_found: ["There is nothing at this address.", "По этому адресу ничего нет."],
  page_broke: ["This page broke. That is our fault: nothing that was sent is lost.", "Страница сломалась. Это наша ошибка: отправленное не потеряно."],
  reload: ["Load it anew", "Загрузить заново"],
  language: ["Русский", "English"],
  theme: ["Dark or light", "Тёмная или светлая тема"],
} as const;

const TEXTS = { ...FRAME, ...CALLS } as const satisfies Record<string, readonly [string, string]>;

export type Text = keyof typeof TEXTS;
export type Language = "en" | "ru";

const KEPT = "calldock-language";

/** The language that was chosen here, or the browser's. */
export function firstLanguage(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "ru") return kept;
  return navigator.language.startsWith("ru") ? "ru" : "en";
}

/** Remembers the language in this browser. */
export function keepLanguage(language: Language): void {
  localStorage.setItem(KEPT, language);
}

/** A text in a language. */
export function textIn(language: Language, text: Text): string {
  return TEXTS[text][language === "en" ? 0 : 1];
}
