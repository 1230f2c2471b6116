/* Amounts, durations and states in words. Nothing here knows the document. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const FACTORS = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

export const STATUS_WORDS = {
  active: "Active",
  waiting: "Waiting",
  paused: "Paused",
  complete: "Complete",
  error: "Failed",
  removed: "Removed",
};

/** `count` bytes, in three digits or so. */
export function bytes(count) {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `rate` bytes a second. */
export function perSecond(rate) {
  return `${bytes(rate)}/s`;
}

/** `seconds` as the two largest units that it has. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How much of `job` is here, from 0 to 1; null while its length is not known. */
export function portion(job) {
  if (job.status === "complete") return 1;
  if (!job.length) return null;
  return Math.min(1, job.received / job.length);
}

/** What is here of `job`, and of how much. */
export function amount(job) {
  if (job.status === "complete") return bytes(job.received);
  if (job.length) {
    return `${Math.floor(portion(job) * 100)} % · ${bytes(job.received)} of ${bytes(job.length)}`;
  }
  return job.received ? bytes(job.received) : "";
}

/** How long `job` still takes at its present rate; "" if nobody knows. */
export function timeLeft(job) {
  if (job.status !== "active" || !job.length || !job.rate) return "";
  const seconds = (job.length - job.received) / job.rate;
  return seconds > 100 * 86400 ? "" : duration(Math.max(0, seconds));
}

/** Seconds since 1970 as a date and a time of day, where the user is. */
export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString();
}

/** The host of `url`; "" for what is none. */
export function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}

/** A number of bytes such as 500K or 2M; null for nothing or 0. Throws RangeError. */
export function parseBytes(text) {
  const found = /^(\d{1,15}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?(?:\/s)?$/i.exec(text.trim());
  if (text.trim() === "") return null;
  if (!found) throw new RangeError(`“${text.trim()}” is no amount of bytes, such as 500K or 2M`);
  return Math.round(Number(found[1]) * FACTORS[found[2].toUpperCase()]) || null;
}

/** `count` bytes as `parseBytes` reads them. */
export function plainBytes(count) {
  if (count === null) return "";
  for (const letter of ["T", "G", "M", "K"]) {
    if (count % FACTORS[letter] === 0) return `${count / FACTORS[letter]}${letter}`;
  }
  return String(count);
}
