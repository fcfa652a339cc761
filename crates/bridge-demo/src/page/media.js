// What this page sends: the camera and microphone, or a picture and a tone made here when there are
// none (or they are busy, or refused), so that the call always has something to show.

const WIDTH = 1280;
const HEIGHT = 720;
const FRAME_RATE = 30;

/**
 * Resolves to `{stream, generated}`; never rejects. `kind` is `generated` for a picture and a tone
 * made here, `moving` for one that costs encoders as much as a busy camera; `height` is that of the
 * camera's picture; `send` can leave out `audio` or `video`.
 */
export async function localMedia(wishes) {
  const media = await anyMedia({ height: HEIGHT, frameRate: FRAME_RATE, ...defined(wishes) });
  const { send } = wishes;
  for (const track of send ? media.stream.getTracks() : []) {
    if (send.includes(track.kind)) continue;
    track.stop();
    media.stream.removeTrack(track);
  }
  return media;
}

async function anyMedia({ kind, hue, height, frameRate }) {
  if (kind === 'moving') {
    const stream = movingPicture(frameRate).captureStream(frameRate);
    stream.addTrack(tone(hue));
    return { stream, generated: true };
  }
  if (kind !== 'generated' && navigator.mediaDevices?.getUserMedia) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true },
        video: {
          width: { ideal: Math.round((height * WIDTH) / HEIGHT) },
          height: { ideal: height },
          frameRate: { ideal: frameRate },
        },
      });
      return { stream, generated: false };
    } catch (error) {
      console.info('no camera or microphone, making a picture and a tone instead:', error.name);
    }
  }
  return { stream: generatedMedia(hue), generated: true };
}

function defined(wishes) {
  return Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined));
}

function generatedMedia(hue) {
  const stream = picture(hue).captureStream(30);
  stream.addTrack(tone(hue));
  return stream;
}

/** Soft moving lights and a clock, so that a frozen picture is seen at once. */
function picture(hue) {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  const pen = canvas.getContext('2d', { alpha: false });
  const draw = () => {
    const time = performance.now() / 1000;
    pen.fillStyle = `hsl(${hue} 45% 12%)`;
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    for (let light = 0; light < 5; light += 1) {
      const x = WIDTH * (0.5 + 0.38 * Math.sin(time * (0.31 + 0.07 * light) + light * 1.9));
      const y = HEIGHT * (0.5 + 0.34 * Math.cos(time * (0.27 + 0.09 * light) + light * 1.3));
      const glow = pen.createRadialGradient(x, y, 0, x, y, 260);
      glow.addColorStop(0, `hsl(${hue + light * 22} 80% 62% / 0.55)`);
      glow.addColorStop(1, 'transparent');
      pen.fillStyle = glow;
      pen.fillRect(0, 0, WIDTH, HEIGHT);
    }
    pen.fillStyle = '#fffd';
    pen.font = '600 96px ui-monospace, monospace';
    pen.textAlign = 'center';
    pen.fillText(new Date().toISOString().slice(11, 22), WIDTH / 2, HEIGHT / 2 + 34);
  };
  draw();
  // A timer and not an animation frame: tabs in the background have no animation frames.
  setInterval(draw, 33);
  return canvas;
}

/** A landscape of noise that pans, with patches that never repeat: no encoder gets it for nothing. */
function movingPicture(frameRate) {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  const pen = canvas.getContext('2d', { alpha: false });
  const [margin, patch] = [160, 64];
  const landscape = noise(WIDTH + 2 * margin, HEIGHT + 2 * margin);
  const draw = () => {
    const time = performance.now() / 1000;
    const [x, y] = [Math.sin(time * 0.9), Math.cos(time * 0.7)].map((at) => margin * (1 + at));
    pen.drawImage(landscape, -x, -y);
    for (let count = 0; count < 12; count += 1) {
      const at = () => Math.random();
      pen.drawImage(
        landscape, at() * WIDTH, at() * HEIGHT, patch, patch,
        at() * (WIDTH - patch), at() * (HEIGHT - patch), patch, patch);
    }
  };
  draw();
  setInterval(draw, 1000 / frameRate);
  return canvas;
}

/** Colours at random, coarse and fine, as a camera sees a room. */
function noise(width, height) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const pen = canvas.getContext('2d', { alpha: false });
  for (const size of [80, 32, 12]) {
    for (let y = 0; y < height; y += size) {
      for (let x = 0; x < width; x += size) {
        pen.fillStyle = `hsl(${Math.random() * 360} 50% ${20 + Math.random() * 60}% / 0.45)`;
        pen.fillRect(x, y, size, size);
      }
    }
  }
  return canvas;
}

/** A quiet note twice a second, each participant in another pitch. */
function tone(hue) {
  const audio = new AudioContext();
  const note = new OscillatorNode(audio, { frequency: 220 + hue });
  const pulse = new OscillatorNode(audio, { frequency: 2 });
  const depth = new GainNode(audio, { gain: 0.04 });
  const volume = new GainNode(audio, { gain: 0.04 });
  const out = audio.createMediaStreamDestination();
  pulse.connect(depth).connect(volume.gain);
  note.connect(volume).connect(out);
  note.start();
  pulse.start();
  const resume = () => audio.resume();
  document.addEventListener('pointerdown', resume, { once: true });
  document.addEventListener('keydown', resume, { once: true });
  return out.stream.getAudioTracks()[0];
}
