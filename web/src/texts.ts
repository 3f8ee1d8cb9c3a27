/** Every text of the client area, in English and Russian. */
const TEXTS = {
  calls: ["Calls", "Звонки"],
  sign_in: ["Sign in", "Войти"],
  sign_out: ["Sign out", "Выйти"],
  access_token: ["Access token", "Токен доступа"],
  token_hint: ["It is kept in a cookie that no script can read, for 12 hours. `calldock open` prints a link that needs no token.", "Он хранится 12 часов в cookie, которую не прочтёт ни один скрипт. Команда `calldock open` печатает ссылку, которой токен не нужен."],
  session_over: ["Your session is over. Sign in to go on: what you have open stays as it is.", "Сеанс закончился. Войдите снова: всё открытое останется на месте."],
  away: ["calldock does not answer. It is asked again by itself.", "calldock не отвечает. Запрос повторяется сам."],
  from: ["From", "С"],
  before: ["Before", "До"],
  status: ["Status", "Статус"],
  direction: ["Direction", "Направление"],
  any: ["Any", "Любое"],
  in: ["In", "Входящий"],
  out: ["Out", "Исходящий"],
  answer: ["Answered", "Отвечен"],
  lost: ["Lost", "Потерян"],
  successful: ["Successful", "Успешен"],
  clear: ["Clear filters", "Сбросить фильтры"],
  columns: ["Columns", "Столбцы"],
  export_csv: ["Export as CSV", "Выгрузить в CSV"],
  copy_link: ["Copy link", "Скопировать ссылку"],
  live: ["Live", "Обновляется"],
  not_live: ["Reconnecting", "Переподключение"],
  no_calls: ["No calls match.", "Подходящих звонков нет."],
  loading: ["Loading", "Загрузка"],
  all_loaded: ["calls, all loaded", "звонков, загружены все"],
  loaded: ["calls loaded, more below", "звонков загружено, ниже есть ещё"],
  start_time: ["Began", "Начало"],
  calling: ["From number", "Кто звонил"],
  called: ["To number", "Кому"],
  employees: ["Employees", "Сотрудники"],
  tags: ["Tags", "Теги"],
  duration: ["Talk", "Разговор"],
  verdict: ["Verdict", "Вердикт"],
  ext_id: ["Id", "Идентификатор"],
  comment: ["Comment", "Комментарий"],
  hidden: ["hidden", "скрыт"],
  CALL_STATUS_NEW: ["New", "Новый"],
  CALL_STATUS_IN_PROCESS: ["In process", "В обработке"],
  CALL_STATUS_PROCESSED: ["Processed", "Обработан"],
  CALL_STATUS_ERROR: ["Error", "Ошибка"],
  CALL_STATUS_CANCELLED: ["Cancelled", "Отменён"],
  language: ["Русский", "English"],
  theme: ["Dark or light", "Тёмная или светлая тема"],
} as const satisfies Record<string, readonly [string, string]>;

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
