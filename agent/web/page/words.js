// All words of the page, by language and room.
import en from "./words/en.js";
import ja from "./words/ja.js";

const TABLES = { ja, en };

// The table of a language: { page, unit, map, panel }.
export const wordsOf = (language) => TABLES[language] ?? ja;

// A sentence with its {values} filled in.
export const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
