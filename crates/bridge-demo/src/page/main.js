// Wires the page: what the buttons do, what the call tells, what is shown.

import { Call } from './call.js';
import { localMedia } from './media.js';
import { Meter } from './meter.js';
import { Recorder } from './recorder.js';
import { sendingOptions } from './sending.js';
import { Tiles } from './tiles.js';

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const room = query.get('room') || 'lobby';
const name = query.get('name') || friendlyName();
const hue = Math.floor(Math.random() * 360);
const tiles = new Tiles($('tiles'), $('tile'));

const self = { mic: true, camera: true };
const others = new Map();
const log = { waves: 0, messages: 0, rejoins: 0, speakers: 0 };
let media = null;
let call = null;
let meter = null;
let ticker = null;
let figures = { own: {}, remotes: {}, transport: {} };

async function start() {
  $('room').textContent = room;
  say('busy', 'Asking for your camera and microphone\u2026');
  media ??= await localMedia({
    kind: query.get('media'),
    hue,
    height: Number(query.get('height')) || undefined,
    frameRate: Number(query.get('fps')) || undefined,
    send: query.get('send')?.split(','),
  });
  await join();
}

async function join() {
  say('busy', `Joining ${room}\u2026`);
  call = new Call(media.stream, sendingOptions(query));
  call.owners = new Map();
  meter = new Meter(call);
  listen(call);
  try {
    await call.join(room, name);
  } catch (error) {
    call.leave();
    say('bad', `${error.message}. Reload the page to try again.`);
    return;
  }
  describe();
  awaitFirstFrame(call, meter);
  clearInterval(ticker);
  ticker = setInterval(tick, 1000);
}

/** Notes when the first picture of anybody is decoded, to a few hundredths of a second. */
async function awaitFirstFrame(current, own) {
  while (current === call && own.firstFrameAt === null && current.pc.connectionState !== 'closed') {
    await own.lookForFrame();
    await new Promise((done) => setTimeout(done, 20));
  }
}

function listen(current) {
  const on = (type, react) =>
    current.addEventListener(type, (event) => current === call && react(event.detail));
  on('people', (people) => {
    const known = new Set(others.keys());
    tiles.show(people, current.id);
    if (query.get('preview') !== '0') tiles.play(current.id, media.stream, media.generated);
    others.clear();
    for (const person of people) if (person.id !== current.id) others.set(person.id, person);
    // Who has just arrived does not know whether our camera is on.
    if ([...others.keys()].some((id) => !known.has(id))) announce();
    describe();
  });
  on('track', async ({ owner, track, stream }) => {
    current.owners.set(track.id, owner);
    if (!(await tiles.play(owner, stream))) {
      say('busy', 'Click anywhere to hear the others.');
      document.addEventListener('pointerdown', () => tiles.resume(), { once: true });
    }
  });
  on('message', ({ from, payload }) => {
    log.messages += 1;
    if (payload.type === 'demo-state') tiles.mark(from, payload);
    if (payload.type === 'demo-wave') {
      log.waves += 1;
      tiles.wave(from);
    }
  });
  on('speaker', () => { log.speakers += 1; });
  on('channel', announce);
  on('state', describe);
  on('gone', rejoin);
}

function rejoin() {
  log.rejoins += 1;
  say('busy', 'The call ended on the bridge; joining again\u2026');
  call.leave();
  tiles.clear();
  others.clear();
  setTimeout(join, 1000);
}

function leave() {
  clearInterval(ticker);
  call?.leave();
  media?.stream.getTracks().forEach((track) => track.stop());
  tiles.clear();
  for (const id of ['mic', 'camera', 'wave', 'leave']) $(id).disabled = true;
  $('wire').textContent = '';
  say('bad', 'You have left. Reload the page to come back.');
}

function announce() {
  call.say({ type: 'demo-state', ...self });
}

function toggle(kind, button, texts) {
  self[button] = !self[button];
  for (const track of media?.stream.getTracks() ?? []) {
    if (track.kind === kind) track.enabled = self[button];
  }
  $(button).setAttribute('aria-pressed', self[button]);
  $(button).querySelector('span').textContent = self[button] ? texts[0] : texts[1];
  tiles.mark(call?.id, self);
  announce();
}

async function tick() {
  if (!call || call.pc.connectionState === 'closed') return;
  figures = await meter.read();
  tiles.measure(call.id, figures.own);
  for (const [id, remote] of Object.entries(figures.remotes)) tiles.measure(id, remote);
  const { transport } = figures;
  $('wire').textContent = transport.dtlsState === 'connected'
    ? `DTLS ${transport.dtlsVersion} \u00b7 ${transport.srtpCipher} \u00b7 ${transport.roundTripMs} ms to the bridge at ${transport.remoteAddress}`
    : '';
}

function describe() {
  const state = call?.pc.connectionState;
  if (state === 'failed') return say('bad', 'No connection to the bridge.');
  if (state === 'disconnected') return say('busy', 'The connection is interrupted\u2026');
  if (others.size === 0) return say('good', 'You are the first here. Open the link in a second tab.');
  if (state !== 'connected') return say('busy', 'Connecting to the bridge\u2026');
  const names = [...others.values()].map((person) => person.name);
  const last = names.pop();
  say('good', `In a call with ${names.length ? `${names.join(', ')} and ${last}` : last}.`);
}

function say(mood, text) {
  $('status').dataset.mood = mood;
  $('status').textContent = text;
}

async function invite() {
  const link = new URL(location.href);
  link.search = new URLSearchParams({ room }).toString();
  const label = $('invite').querySelector('span');
  const text = label.textContent;
  try {
    await navigator.clipboard.writeText(link.href);
    label.textContent = 'Copied: paste it into a second tab';
  } catch {
    label.textContent = link.href;
  }
  setTimeout(() => { label.textContent = text; }, 4000);
}

function wave() {
  tiles.wave(call?.id);
  call?.say({ type: 'demo-wave' });
}

function friendlyName() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  const colours = ['Amber', 'Coral', 'Indigo', 'Jade', 'Lilac', 'Mint', 'Ruby', 'Teal'];
  const animals = ['Badger', 'Dolphin', 'Heron', 'Lynx', 'Otter', 'Puffin', 'Robin', 'Wombat'];
  return `${pick(colours)} ${pick(animals)}`;
}

$('mic').onclick = () => toggle('audio', 'mic', ['Mute', 'Unmute']);
$('camera').onclick = () => toggle('video', 'camera', ['Camera off', 'Camera on']);
$('wave').onclick = wave;
$('leave').onclick = leave;
$('invite').onclick = invite;
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const button = { m: 'mic', c: 'camera', w: 'wave' }[event.key];
  if (button && !$(button).disabled) $(button).click();
});
addEventListener('pagehide', () => call?.leave());

const recorder = query.get('record') === '1'
  ? new Recorder(() => call?.pc, () => call?.owners ?? new Map())
  : null;

// For tests and the curious: everything that the page knows, as one object.
window.demo = {
  async stats() {
    const now = meter ? await meter.read() : figures;
    return {
      ...now,
      id: call?.id,
      connectionState: call?.pc.connectionState,
      channelState: call?.channel?.readyState ?? 'none',
      serverHello: call?.hello ?? false,
      people: [...others.keys()],
      firstFrameAt: meter?.firstFrameAt,
      forwarded: call?.forwarded ?? [],
      estimatedDownlink: call?.estimatedDownlink ?? null,
      ...log,
    };
  },
  wave,
  leave,
  /** Asks for pictures: `{constraints: {[source]: {maxHeight: 180}}}` and so on. */
  setConstraints(constraints) { call?.setConstraints(constraints); },
  /** What arrived since the last time, if the query says `record=1`. */
  recorded() { return recorder?.take() ?? []; },
  get call() { return call; },
};

start();
