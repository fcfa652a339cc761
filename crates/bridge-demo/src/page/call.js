// One participation in a room: the requests to the focus, the peer connection to the bridge and the
// bridge channel. Knows nothing of the page's elements; tells by events:
//   people   detail: [{id, name}]           who is in the room
//   track    detail: {owner, track, stream} a participant's sound or picture arrived
//   message  detail: {from, payload}        a participant said something over the bridge channel
//   speaker  detail: id                     the bridge's dominant speaker
//   state    detail: RTCPeerConnectionState
//   channel                                 the bridge channel is open
//   gone                                    the focus has forgotten us

import {
  announceSimulcast, hideSimulcast, limitDependencyDescriptor, preferCodec, setEncodings,
} from './sending.js';

const OWN_AUDIO_MID = '0';
const OWN_VIDEO_MID = '1';
// The feedback sources of the bridge itself; nobody's picture.
const BRIDGE_STREAM = 'jvb';

export class Call extends EventTarget {
  #token = null;
  #serial = 0;
  #answered = 0;
  #ended = false;
  #greeted = false;

  /** `sending` is what `sendingOptions` made of the page's query. */
  constructor(stream, sending) {
    super();
    this.stream = stream;
    this.sending = sending;
    this.constraints = { lastN: -1, defaultConstraints: { maxHeight: 1080 } };
    this.estimatedDownlink = null;
    this.forwarded = [];
    this.id = null;
    this.channel = null;
    this.hello = false;
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc.ontrack = (event) => this.#onTrack(event);
    this.pc.onconnectionstatechange = () => this.#tell('state', this.pc.connectionState);
  }

  /** Takes a seat; from then on the room's changes come as events. */
  async join(room, name) {
    const joined = await post('/demo/join', { room, name });
    this.id = joined.id;
    this.#token = joined.token;
    await this.#follow(joined.view);
    this.#poll();
    return joined;
  }

  /** Gives up the seat; also works while the page is closing. */
  leave() {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#token) navigator.sendBeacon(`/demo/leave?token=${this.#token}`);
    this.pc.close();
  }

  /** Says something to everybody, or to the participant `to`, over the bridge channel. */
  say(payload, to = '') {
    this.#send({ colibriClass: 'EndpointMessage', to, msgPayload: payload });
  }

  /** Asks the bridge for pictures: the members of a `ReceiverVideoConstraints` message. */
  setConstraints(constraints) {
    this.constraints = constraints;
    this.#send({ colibriClass: 'ReceiverVideoConstraints', ...constraints });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  async #poll() {
    let failures = 0;
    while (!this.#ended) {
      try {
        const answer = await fetch(`/demo/view?token=${this.#token}&serial=${this.#serial}`);
        if (answer.status === 404) {
          if (!this.#ended) this.#tell('gone');
          return;
        }
        if (answer.status === 200) await this.#follow(await answer.json());
        failures = 0;
      } catch (error) {
        if (this.#ended) return;
        failures += 1;
        if (failures === 5) return this.#tell('gone');
        console.warn('lost touch with the focus, trying again:', error);
        await new Promise((done) => setTimeout(done, 1000));
      }
    }
  }

  /** Makes our side agree with a view. Views come one after another, never two at a time. */
  async #follow(view) {
    this.#serial = view.serial;
    this.#tell('people', view.people);
    if (view.offer_version === this.#answered) return;
    const isFirst = this.#answered === 0;
    const preferred = preferCodec(view.offer, OWN_VIDEO_MID, this.sending.codec);
    const offer = limitDependencyDescriptor(preferred, OWN_VIDEO_MID, this.sending);
    await this.pc.setRemoteDescription({ type: 'offer', sdp: hideSimulcast(offer) });
    if (isFirst) await this.#attach();
    const { type, sdp } = await this.pc.createAnswer();
    const { simulcast } = this.sending;
    const answer = simulcast ? announceSimulcast(sdp, OWN_VIDEO_MID) : sdp;
    await this.pc.setLocalDescription({ type, sdp: answer });
    if (isFirst) await this.#setEncodings();
    await post('/demo/answer', { token: this.#token, sdp: this.pc.localDescription.sdp });
    this.#answered = view.offer_version;
  }

  /** Puts our tracks into the first two sections and opens the bridge channel. */
  async #attach() {
    for (const transceiver of this.pc.getTransceivers()) {
      const kind = { [OWN_AUDIO_MID]: 'audio', [OWN_VIDEO_MID]: 'video' }[transceiver.mid];
      const track = this.stream.getTracks().find((candidate) => candidate.kind === kind);
      if (!kind || !track) continue;
      transceiver.direction = 'sendrecv';
      transceiver.sender.setStreams(this.stream);
      await transceiver.sender.replaceTrack(track);
    }
    this.channel = this.pc.createDataChannel('JVB data channel', {
      protocol: 'http://jitsi.org/protocols/colibri',
    });
    this.channel.onopen = () => this.#onOpen();
    this.channel.onmessage = (event) => this.#onMessage(event.data);
  }

  async #setEncodings() {
    for (const { mid, sender } of this.pc.getTransceivers()) {
      if (mid === OWN_VIDEO_MID && sender.track) await setEncodings(sender, this.sending);
    }
  }

  #onOpen() {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#send({ colibriClass: 'ClientHello' });
    this.setConstraints(this.constraints);
    this.#tell('channel');
  }

  #onMessage(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return console.warn('not JSON on the bridge channel:', text);
    }
    switch (message.colibriClass) {
      case 'ServerHello':
        this.hello = true;
        break;
      case 'EndpointMessage':
        this.#tell('message', { from: message.from, payload: message.msgPayload ?? {} });
        break;
      case 'DominantSpeakerEndpointChangeEvent':
        this.#tell('speaker', message.dominantSpeakerEndpoint);
        break;
      case 'ForwardedSources':
        this.forwarded = message.forwardedSources;
        break;
      case 'ConnectionStats':
        this.estimatedDownlink = message.estimatedDownlinkBandwidth;
        break;
      default:
    }
  }

  #send(message) {
    if (this.channel?.readyState === 'open') this.channel.send(JSON.stringify(message));
  }

  #onTrack({ track, streams }) {
    const stream = streams[0];
    if (!stream || stream.id === BRIDGE_STREAM) return;
    this.#tell('track', { owner: stream.id, track, stream });
  }
}

async function post(url, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (answer.status === 204) return null;
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(value.error ?? `${url} answered ${answer.status}`);
  return value;
}
