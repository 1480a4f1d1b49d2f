// Colours of a heat map: from light to dark teal, the same in dark mode, with ink that can be read on each.

const STOPS = [[247, 251, 250], [186, 228, 217], [102, 189, 178], [24, 132, 127], [7, 74, 84]];
const DARK_INK = [16, 24, 32];
const LIGHT_INK = [255, 255, 255];

/** Colour [r, g, b] of a share from 0 to 1. */
export function shade(share) {
  const place = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const below = Math.min(STOPS.length - 2, Math.floor(place));
  return STOPS[below].map((from, i) => Math.round(from + (place - below) * (STOPS[below + 1][i] - from)));
}

/** Style of a cell: its colour, and the ink with the better contrast. */
export function cellStyle(share) {
  const colour = shade(share);
  const ink = contrast(colour, DARK_INK) >= contrast(colour, LIGHT_INK) ? DARK_INK : LIGHT_INK;
  return `background: rgb(${colour.join(" ")}); color: rgb(${ink.join(" ")})`;
}

/** Gradient of all colours, for a legend. */
export function gradient() {
  return `background: linear-gradient(to right, ${STOPS.map((colour) => `rgb(${colour.join(" ")})`).join(", ")})`;
}

/** Contrast of two colours, 1 to 21. Source: WCAG 2.2, "contrast ratio". */
export function contrast(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour) {
  const [r, g, b] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
