// Line drawings in a 24×24 box, by name.
export const icons = await (await fetch(new URL("./icons.json", import.meta.url))).json();
