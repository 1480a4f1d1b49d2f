// Images in groups, each for one request.

const BYTES_AT_ONCE = 6 << 20;
const IMAGES_AT_ONCE = 16;

/** Groups of images that go into one request: few enough, and small enough. */
export function batches(images) {
  const groups = [];
  let room = 0;
  for (const image of images) {
    const last = groups.at(-1);
    if (!last || last.length === IMAGES_AT_ONCE || image.bytes > room) {
      groups.push([image]);
      room = BYTES_AT_ONCE - image.bytes;
    } else {
      last.push(image);
      room -= image.bytes;
    }
  }
  return groups;
}
