// The map (its room is furnished later): for now where the car is, in words.
import { make, write } from "../dom.js";

export function mountMap(element, { store }) {
  const text = element.appendChild(make("p", { class: "map-soon" }));
  store.subscribe(({ car }) => {
    if (car) write(text, `${car.latitude.toFixed(4)}, ${car.longitude.toFixed(4)}`);
  });
}
