// What was found, as it was spoken: place cards with a position, numbered from one.
export function results(state) {
  return (state.cards ?? [])
    .filter((card) => card.type === "place" && Number.isFinite(card.lat) && Number.isFinite(card.lon))
    .map((card, i) => ({ id: String(card.id), number: i + 1, at: [card.lon, card.lat], name: (state.shown === "en" && card.name_en) || card.name }));
}

// What the driver would say to take it.
export const spoken = (words, number, count) => (count === 1 ? words.takeIt : words.nth[number - 1] ?? String(number));
