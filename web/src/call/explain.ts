/** What the contract's error codes and audio rules mean, and what to change at the telephone exchange (docs/contract.md 6, docs/audio.md). A code without a text does not compile. */
import type { components } from "../api/schema";
import type { Both } from "./texts";

type Said<Name extends string> = Exclude<Name, `${string}_UNSPECIFIED`>;
export type ErrorCode = Said<components["schemas"]["RecordingErrorCode"]>;
export type Rule = Said<components["schemas"]["AudioRule"]>;

export interface Explanation {
  /** One sentence of what it means. */
  means: Both;
  /** One sentence of what to change. */
  change: Both;
}

export const ERRORS: Record<ErrorCode, Explanation> = {
  RECORDING_ERROR_CODE_DOWNLOAD_ERROR: {
    means: ["The link may not be fetched, or led from one address to another without an end.", "По этой ссылке скачивать нельзя, или она без конца переводит с адреса на адрес."],
    change: ["Give a link to the file itself, on a public host, without more than five redirects.", "Давайте ссылку на сам файл, на общедоступном сервере и не более чем с пятью переходами."],
  },
  RECORDING_ERROR_CODE_CONNECTION_DOWNLOAD_ERROR: {
    means: ["The server with the recording could not be reached, or the connection broke amid the file.", "Сервер с записью недоступен, или соединение оборвалось посреди файла."],
    change: ["See that the host of the link answers from outside, with a certificate that is valid, and upload the call again.", "Проверьте, что сервер из ссылки отвечает извне и его сертификат действителен, и загрузите звонок снова."],
  },
  RECORDING_ERROR_CODE_HTTP_STATUS_DOWNLOAD_ERROR: {
    means: ["The server with the recording answered, but not with the file.", "Сервер с записью ответил, но файла не дал."],
    change: ["See that the link is still good and needs no sign-in; 404 says that the file is gone, 401 or 403 that access is missing.", "Проверьте, что ссылка ещё действует и не требует входа: 404 — файла нет, 401 или 403 — нет доступа."],
  },
  RECORDING_ERROR_CODE_HTTP_CONTENT_TYPE_DOWNLOAD_ERROR: {
    means: ["The server calls the file something else than audio/wav or audio/mpeg.", "Сервер называет файл иначе, чем audio/wav или audio/mpeg."],
    change: ["Set the Content-Type at the server with the recordings, or add the one it sends to the account's aliases.", "Настройте Content-Type на сервере записей или добавьте присылаемый тип в допустимые в настройках."],
  },
  RECORDING_ERROR_CODE_MAX_FILE_SIZE_DOWNLOAD_ERROR: {
    means: ["The file is larger than 50 MB.", "Файл больше 50 МБ."],
    change: ["Record at 8000 Hz and 16 bit, and let the exchange begin a new file for very long calls.", "Пишите 8000 Гц и 16 бит; очень длинные звонки пусть АТС делит на несколько файлов."],
  },
  RECORDING_ERROR_CODE_TIMEOUT_DOWNLOAD_ERROR: {
    means: ["The download took longer than 30 seconds.", "Скачивание длилось дольше 30 секунд."],
    change: ["Put the recordings on a faster server or nearer to calldock, and see that it does not slow down many downloads at once.", "Поместите записи на более быстрый или близкий сервер и проверьте, что он выдерживает много скачиваний сразу."],
  },
  RECORDING_ERROR_CODE_DECODE_ERROR: {
    means: ["The file could not be read as what it should be: another kind of file, damaged, or cut short.", "Файл не читается как должен: другой формат, повреждён или обрезан."],
    change: ["See that the exchange has finished writing the file before the call is uploaded, and that WAV and MP3 are not mixed up.", "Загружайте звонок, когда АТС дописала файл, и не путайте WAV и MP3."],
  },
  RECORDING_ERROR_CODE_WAV_CHANNELS_PROCESSING_ERROR: {
    means: ["Voice analysis needs two channels, the employee in one and the customer in the other.", "Для анализа речи нужны два канала: сотрудник в одном, клиент в другом."],
    change: ["Switch the exchange to stereo recording (dual channel), so that the two sides are not mixed.", "Включите на АТС стереозапись (раздельные каналы), чтобы стороны не смешивались."],
  },
  RECORDING_ERROR_CODE_WAV_PROCESSING_ERROR: {
    means: ["The sound is not fit for voice analysis: another encoding or rate, too narrow a band, too much noise, or nobody speaks.", "Звук не годится для анализа речи: другое кодирование или частота, узкая полоса, шум или тишина."],
    change: ["Look at the figures below: what does not fit says what to change.", "Смотрите показатели ниже: у неподходящих сказано, что изменить."],
  },
  RECORDING_ERROR_CODE_WAV_MIN_DURATION_PROCESSING_ERROR: {
    means: ["The recording is shorter than the 16 seconds that voice analysis needs.", "Запись короче 16 секунд, нужных для анализа речи."],
    change: ["Upload such short calls without a WAV, or as MP3 for listening.", "Загружайте такие короткие звонки без WAV или с MP3 для прослушивания."],
  },
  RECORDING_ERROR_CODE_PROCESSING_ERROR: {
    means: ["The MP3 could not be worked on.", "MP3 не удалось обработать."],
    change: ["Play the file from the exchange, and write it anew with a usual encoder if it does not play.", "Прослушайте файл с АТС; если он не играет, запишите его обычным кодировщиком."],
  },
  RECORDING_ERROR_CODE_INTERNAL_ERROR: {
    means: ["calldock itself failed: the recording is not to blame.", "Сбой самого calldock: запись ни при чём."],
    change: ["Have it judged anew; if it fails again, give the call's number to whoever runs calldock.", "Проверьте запись заново; если не поможет, сообщите номер звонка администратору calldock."],
  },
};

export const RULES: Record<Rule, Explanation> = {
  AUDIO_RULE_CHANNEL_COUNT: {
    means: ["How many sides are recorded apart from each other.", "Сколько сторон записано отдельно друг от друга."],
    change: ["Switch the exchange to stereo recording: the employee in one channel, the customer in the other.", "Включите на АТС стереозапись: сотрудник в одном канале, клиент в другом."],
  },
  AUDIO_RULE_ENCODING: {
    means: ["How the sound is written down; voice analysis needs it uncompressed.", "Как записан звук; анализу речи он нужен без сжатия."],
    change: ["Set the exchange's recording format to PCM 16 bit (slin, not alaw, ulaw or gsm).", "Выберите на АТС формат записи PCM 16 бит (slin, а не alaw, ulaw или gsm)."],
  },
  AUDIO_RULE_SAMPLE_RATE: {
    means: ["How often a second the sound is measured; the telephone's rate is 8000.", "Сколько раз в секунду измеряется звук; у телефонии 8000."],
    change: ["Have the exchange record at 8000 Hz, or convert before the upload.", "Пусть АТС пишет 8000 Гц, или преобразуйте файл до загрузки."],
  },
  AUDIO_RULE_DURATION: {
    means: ["The length of the file, counted by its samples.", "Длина файла, посчитанная по отсчётам."],
    change: ["Upload short calls without a WAV; if the call was longer, see why the exchange cut its recording.", "Короткие звонки загружайте без WAV; если звонок был длиннее, выясните, почему АТС обрезала запись."],
  },
  AUDIO_RULE_BAND: {
    means: ["How much of speech is left at the edges of the telephone band, 330 to 3400 Hz, against its middle.", "Сколько речи осталось по краям телефонной полосы, 330–3400 Гц, против середины."],
    change: ["Take filters and low-rate codecs out of the way between line and recording: G.711 keeps the whole band.", "Уберите фильтры и низкоскоростные кодеки между линией и записью: G.711 сохраняет всю полосу."],
  },
  AUDIO_RULE_SIGNAL_TO_NOISE: {
    means: ["How far speech stands above the noise; 15 dB is about what one understands without effort.", "Насколько речь громче шума; при 15 дБ она понятна без усилий."],
    change: ["Look for the noise: a hissing headset or gateway, hum of a power supply, an open office; or raise the level of speech at the gateway.", "Ищите шум: шипящая гарнитура или шлюз, гул питания, открытый офис; или поднимите уровень речи на шлюзе."],
  },
  AUDIO_RULE_SPEECH: {
    means: ["How long somebody speaks in this channel; at least a second is needed for it to be judged.", "Сколько в этом канале говорят; чтобы его проверять, нужна хотя бы секунда."],
    change: ["If somebody did speak, see that the exchange records this side at all, and not too quietly.", "Если здесь говорили, проверьте, что АТС пишет эту сторону, и не слишком тихо."],
  },
  AUDIO_RULE_DISTINCT_CHANNELS: {
    means: ["Whether the two channels hold different sound.", "Различается ли звук в двух каналах."],
    change: ["The exchange writes a mix into both channels: record each side into a channel of its own.", "АТС пишет смесь в оба канала: записывайте каждую сторону в свой канал."],
  },
};

/** Figures that no rule judges. */
export const OTHERS = {
  size: {
    means: ["The size of the file as it was downloaded.", "Размер скачанного файла."],
    change: ["Record at 8000 Hz and 16 bit, and let the exchange begin a new file for very long calls.", "Пишите 8000 Гц и 16 бит; очень длинные звонки пусть АТС делит."],
  },
  level: {
    means: ["How loud the channel is on the whole; speech on a good line lies near −20 dB, pauses pull it down.", "Насколько громок канал в целом; речь на хорошей линии около −20 дБ, паузы снижают среднее."],
    change: ["Raise the level of this side at the gateway or the headset.", "Поднимите уровень этой стороны на шлюзе или гарнитуре."],
  },
  clipping: {
    means: ["Samples at the very end of the scale: what was louder is lost and sounds harsh.", "Отсчёты у края шкалы: что громче, потеряно и хрипит."],
    change: ["Lower the level of this side at the gateway or the headset.", "Убавьте уровень этой стороны на шлюзе или гарнитуре."],
  },
  offset: {
    means: ["How far the sound stands off zero; more than a little points at a faulty gateway or sound card.", "Насколько звук смещён от нуля; заметное смещение говорит о неисправном шлюзе или звуковой карте."],
    change: ["Check the analogue gateway or the sound card of this side.", "Проверьте аналоговый шлюз или звуковую карту этой стороны."],
  },
  dead: {
    means: ["The channel carries no sound at all.", "В канале совсем нет звука."],
    change: ["See that the exchange records this side: it is silent from the beginning to the end.", "Проверьте, что АТС пишет эту сторону: в ней тишина от начала до конца."],
  },
  overlap: {
    means: ["How much of the time both sides speak at once.", "Какую часть времени обе стороны говорят сразу."],
    change: ["", ""],
  },
  silence: {
    means: ["How much of the time nobody speaks.", "Какую часть времени никто не говорит."],
    change: ["", ""],
  },
} as const satisfies Record<string, Explanation>;
