// Drawings (in a 24×24 box), notices and signals of the head unit.
export const { icons, symbols, pushed, answers, lamps, switches, sources, zones: seats } = await (await fetch(new URL("./tables.json", import.meta.url))).json();
