// Images that people drop, paste or choose: made small before they are sent, which also leaves their metadata behind.

import { ApiError, readAsDataUri } from "../api.js";

const MOST_SIDE = 1024; // far more than any model looks at
const MOST_BYTES = 20 << 20; // of one that the browser cannot read and that is sent as it is
export const MOST_IMAGES = 5;

// {name, uri, weight} of a file. Throws ApiError for what is not an image.
export async function takeImage(file) {
  const name = file.name || "pasted image";
  try {
    return { name, uri: await shrink(file), weight: 1 };
  } catch {
    // kinds that the server reads and browsers do not: TIFF, HEIC, raw files
  }
  if (file.type && !file.type.startsWith("image/")) throw new ApiError(`${name} is not an image.`, 0);
  if (file.size > MOST_BYTES) throw new ApiError(`${name} is larger than ${MOST_BYTES >> 20} MB.`, 0);
  return { name, uri: await readAsDataUri(file), weight: 1 };
}

async function shrink(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MOST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", 0.92);
}

// Files of an image in what was dropped or pasted.
export function imageFiles(transfer) {
  return [...(transfer?.files ?? [])].slice(0, MOST_IMAGES);
}
