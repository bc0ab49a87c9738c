// All words of the page, by language and room: words/LANGUAGE.json holds { page, unit, map, panel }.
const load = async (language) => (await fetch(new URL(`./words/${language}.json`, import.meta.url))).json();
const [ja, en] = await Promise.all([load("ja"), load("en")]);
const TABLES = { ja, en };

export const wordsOf = (language) => TABLES[language] ?? ja;

// A sentence with its {values} filled in.
export const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
