// The car between two pushes: it is led from where it is shown to where it was told, in the time pushes take to come.
import { Track, between, metres, turn } from "./geo.js";

const SLOWEST_MS = 600;
const OFF_TRACK_M = 80;
const JUMP_M = 30000; // farther than that nothing drives between two pushes

export class Motion {
  #gap = 200;
  #last = 0;
  #from = null;
  #to = null;
  #begun = 0;
  #track = null;
  #known = "";
  #stepped = 0;
  shown = null; // { at: [lon, lat], heading, along (null off a route) }

  follow(points) {
    this.#track = points?.length > 1 ? new Track(points) : null;
    if (this.#from) this.#from.along = null;
    this.#known = "";
  }

  get track() {
    return this.#track;
  }

  // A push came; `now` in milliseconds.
  push(car, now) {
    // Told twice (asked for between two pushes): nothing new.
    const key = `${car.at_ms}:${car.longitude}:${car.latitude}:${car.along_m}`;
    if (key === this.#known) return;
    this.#known = key;
    const told = { at: [car.longitude, car.latitude], heading: car.heading, along: this.#along(car) };
    const gap = now - this.#last;
    this.#last = now;
    if (!this.shown || metres(this.shown.at, told.at) > JUMP_M) {
      this.shown = this.#to = told;
      this.#from = null;
      return;
    }
    if (gap < 2 * SLOWEST_MS) this.#gap += (Math.min(gap, SLOWEST_MS) - this.#gap) * 0.25;
    this.#from = { ...this.shown };
    this.#to = told;
    // From the last picture on, not from now: a push costs no picture's worth of way.
    this.#begun = now - this.#stepped < 60 ? this.#stepped : now;
  }

  // The car at `now`; true while it goes on moving.
  step(now) {
    this.#stepped = now;
    if (!this.#from) return false;
    const share = Math.min(1, (now - this.#begun) / this.#gap);
    const { along, at } = this.#from;
    const onTrack = this.#track && along !== null && this.#to.along !== null;
    if (onTrack) {
      const here = along + (this.#to.along - along) * share;
      this.shown = { at: this.#track.at(here), heading: this.#track.heading(here) ?? this.#to.heading, along: here };
    } else {
      this.shown = {
        at: between(at, this.#to.at, share), heading: turn(this.#from.heading, this.#to.heading, share), along: share === 1 ? this.#to.along : null,
      };
    }
    if (share === 1) this.#from = null;
    return share < 1;
  }

  #along(car) {
    if (!car.guiding || !this.#track || typeof car.along_m !== "number") return null;
    // A route just set may not have come yet: then the track is another's.
    return metres(this.#track.at(car.along_m), [car.longitude, car.latitude]) < OFF_TRACK_M ? car.along_m : null;
  }
}
