/** An image small enough to be sent in one event. */

const EDGES = [1280, 1024, 768, 512, 384, 256];

/**
 * @param {File} file any image the browser can read @param {number} room bytes that the data URL may have
 * @returns {Promise<string>} a data URL (JPEG). Throws a RangeError if it cannot be made to fit
 */
export async function smallImage(file, room) {
  const image = await createImageBitmap(file);
  try {
    for (const edge of EDGES) {
      const url = jpeg(image, Math.min(1, edge / Math.max(image.width, image.height)));
      if (url.length <= room) return url;
    }
  } finally {
    image.close();
  }
  throw new RangeError("the image is too big");
}

function jpeg(image, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // where it is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.85);
}
