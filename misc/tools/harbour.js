/* A harbour in the evening, as PNG in base 64. */
() => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [900, 420];
  const pen = canvas.getContext("2d");
  const band = (top, height, ...colours) => colours.forEach((colour, i) => {
    pen.fillStyle = colour;
    pen.fillRect(0, top + i * height, 900, height);
  });
  band(0, 42, "#31436b", "#4b5480", "#776590", "#b07a8e", "#e39a7d", "#f4bd77");
  pen.fillStyle = "#ffe3a0"; pen.beginPath(); pen.arc(610, 226, 46, 0, 7); pen.fill();
  band(252, 28, "#7d5f78", "#5d5374", "#474a6d", "#374263", "#2c3958", "#24314d");
  pen.fillStyle = "#ffd994";
  for (let i = 0; i < 12; i++) {
    pen.fillRect(550 + i * 5 - (i % 3) * 9, 262 + i * 11, 100 - i * 7, 4);
  }
  for (const [x, y, s] of [[190, 330, 1], [420, 292, .6], [760, 360, 1.2]]) {
    pen.fillStyle = "#1a2338"; pen.beginPath();
    pen.moveTo(x - 70 * s, y); pen.lineTo(x + 80 * s, y);
    pen.lineTo(x + 55 * s, y + 26 * s); pen.lineTo(x - 52 * s, y + 26 * s); pen.fill();
    pen.fillRect(x, y - 120 * s, 4 * s, 120 * s);
    pen.fillStyle = "#f3e7d3"; pen.beginPath();
    pen.moveTo(x + 8 * s, y - 116 * s); pen.lineTo(x + 66 * s, y - 10 * s);
    pen.lineTo(x + 8 * s, y - 10 * s); pen.fill();
  }
  return canvas.toDataURL("image/png").split(",")[1];
}
