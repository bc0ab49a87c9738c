// Figures as a driver reads them at a glance.
const two = (n) => String(n).padStart(2, "0");

// An ISO time as the car's clock shows it: "09:05".
export const clock = (iso) => (iso ?? "").slice(11, 16);

// Metres, rounded as the voice rounds them: "350 m", "1.2 km", "24 km".
export function distance(metres) {
  if (metres < 950) return `${Math.max(50, Math.round(metres / 50) * 50)} m`;
  return `${metres < 9950 ? Number((metres / 1000).toFixed(1)) : Math.round(metres / 1000)} km`;
}

// Seconds: { h, m } of at least a minute.
export function hoursAndMinutes(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  return { h: Math.floor(minutes / 60), m: minutes % 60 };
}

export const duration = (seconds, words) => {
  const { h, m } = hoursAndMinutes(seconds);
  return h ? `${h}${words.hours}${m ? ` ${m}${words.minutes}` : ""}` : `${m}${words.minutes}`;
};

// Minutes after midnight, past it counted on: 1500 is "1:00" of the next day.
export const minuteOfDay = (minutes) => `${Math.floor((minutes % 1440) / 60)}:${two(minutes % 60)}`;

export const yen = (amount) => `¥${Math.round(amount).toLocaleString("en-US")}`;

export const degrees = (value) => `${Number(value).toFixed(1)}°`;

// Spoken steps of a percentage: a fan of seven, a seat of three.
export const stage = (percent, stages) => Math.round((percent * stages) / 100);
export const percent = (step, stages) => Math.round((100 * step) / stages);
