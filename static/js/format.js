// Numbers in words.

const TENTHS = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const tenths = (number) => number.toLocaleString(document.documentElement.lang, TENTHS);

/** "0:07" for 7.4 seconds. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A moment in a recording, with tenths where the recording is shorter than ten seconds. */
export function moment(seconds, duration_s) {
  return duration_s < 10 ? `${tenths(seconds)} s` : clock(seconds);
}

/** "1.4 MB"; a MB is 1024 kB, as in the server's limit. */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const kilobytes = bytes / 1024;
  if (kilobytes < 1000) return `${Math.round(kilobytes)} kB`;
  const megabytes = kilobytes / 1024;
  return `${megabytes < 10 ? tenths(megabytes) : Math.round(megabytes)} MB`;
}
