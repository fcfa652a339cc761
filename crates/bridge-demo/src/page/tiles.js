// The tiles: one for ourselves, one for each other participant.

const WAVE_MS = 1800;
const SPEAKING_LEVEL = 0.01;

export class Tiles {
  #tiles = new Map();

  constructor(container, template) {
    this.container = container;
    this.template = template;
  }

  /** Makes the tiles match `people`; ours stays first. */
  show(people, ownId) {
    for (const id of [...this.#tiles.keys()]) {
      if (!people.some((person) => person.id === id)) this.remove(id);
    }
    for (const { id, name } of people) {
      const tile = this.#tiles.get(id) ?? this.#add(id, id === ownId);
      tile.querySelector('.name').textContent = id === ownId ? `${name} (you)` : name;
      tile.querySelector('.avatar').textContent = [...name][0]?.toUpperCase() ?? '?';
      tile.setAttribute('aria-label', id === ownId ? `${name}, you` : name);
    }
    this.#layOut();
  }

  remove(id) {
    this.#tiles.get(id)?.remove();
    this.#tiles.delete(id);
    this.#layOut();
  }

  clear() {
    for (const id of [...this.#tiles.keys()]) this.remove(id);
  }

  /** Plays `stream` in the tile of `id`. Resolves to false if the browser wants a click first. */
  async play(id, stream, generated = false) {
    const tile = this.#tiles.get(id);
    if (!tile) return true;
    tile.classList.toggle('generated', generated);
    const video = tile.querySelector('video');
    if (video.srcObject !== stream) video.srcObject = stream;
    try {
      await video.play();
      return true;
    } catch (error) {
      return error.name !== 'NotAllowedError';
    }
  }

  /** Plays what could not be played before the first click. */
  resume() {
    for (const tile of this.#tiles.values()) tile.querySelector('video').play().catch(() => {});
  }

  /** Shows whether somebody's microphone and camera are on. */
  mark(id, { mic = true, camera = true }) {
    const tile = this.#tiles.get(id);
    if (!tile) return;
    tile.classList.toggle('dark', !camera);
    const off = tile.querySelector('.off');
    off.hidden = mic && camera;
    off.textContent = mic ? 'camera off' : camera ? 'muted' : 'muted, camera off';
  }

  wave(id) {
    const tile = this.#tiles.get(id);
    if (!tile) return;
    tile.classList.remove('waving');
    void tile.offsetWidth;
    tile.classList.add('waving');
    setTimeout(() => tile.classList.remove('waving'), WAVE_MS);
  }

  /** Writes the figures of the last second into the tile of `id`. */
  measure(id, figures) {
    const tile = this.#tiles.get(id);
    if (!tile) return;
    const write = (figure, text) => {
      tile.querySelector(`[data-figure="${figure}"]`).textContent = text;
    };
    write('size', figures.width ? `${figures.width}\u00d7${figures.height}` : '\u2013');
    write('rate', figures.width ? Math.round(figures.frameRate) : '\u2013');
    write('bitrate', Math.round(((figures.videoBitrate ?? 0) + (figures.audioBitrate ?? 0)) / 1000));
    write('loss', figures.loss === undefined ? '\u2013' : `${(100 * figures.loss).toFixed(1)} %`);
    const level = figures.audioLevel ?? 0;
    const bars = level < 0.005 ? 0 : level < 0.03 ? 1 : level < 0.12 ? 2 : 3;
    tile.querySelector('.voice').dataset.level = bars;
    tile.classList.toggle('speaking', level > SPEAKING_LEVEL);
  }

  #add(id, own) {
    const tile = this.template.content.firstElementChild.cloneNode(true);
    tile.classList.toggle('own', own);
    tile.dataset.id = id;
    const video = tile.querySelector('video');
    video.muted = own;
    // The avatar stands in until there is a picture.
    tile.classList.add('waiting');
    video.addEventListener('resize', () => tile.classList.toggle('waiting', !video.videoWidth));
    if (own) this.container.prepend(tile);
    else this.container.append(tile);
    this.#tiles.set(id, tile);
    return tile;
  }

  #layOut() {
    const count = Math.max(1, this.#tiles.size);
    const columns = count === 1 ? 1 : count <= 4 ? 2 : count <= 9 ? 3 : 4;
    this.container.style.setProperty('--columns', columns);
  }
}
