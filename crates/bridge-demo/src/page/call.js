// One participation in a room: the requests to the focus, the peer connection to the bridge and the
// bridge channel. Knows nothing of the page's elements; tells by events:
//   people   detail: [{id, name}]           who is in the room
//   track    detail: {owner, track, stream} a participant's sound or picture arrived
//   message  detail: {from, payload}        a participant said something over the bridge channel
//   speaker  detail: id                     the bridge's dominant speaker
//   state    detail: RTCPeerConnectionState
//   channel                                 the bridge channel is open
//   gone                                    the focus has forgotten us

const OWN_AUDIO_MID = '0';
const OWN_VIDEO_MID = '1';
// The feedback sources of the bridge itself; nobody's picture.
const BRIDGE_STREAM = 'jvb';
const MAX_VIDEO_BITRATE = 2_000_000;

export class Call extends EventTarget {
  #token = null;
  #serial = 0;
  #answered = 0;
  #ended = false;
  #greeted = false;

  constructor(stream) {
    super();
    this.stream = stream;
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
    await this.pc.setRemoteDescription({ type: 'offer', sdp: view.offer });
    if (this.#answered === 0) await this.#attach();
    await this.pc.setLocalDescription(await this.pc.createAnswer());
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
      if (kind === 'video') await limitBitrate(transceiver.sender);
    }
    this.channel = this.pc.createDataChannel('JVB data channel', {
      protocol: 'http://jitsi.org/protocols/colibri',
    });
    this.channel.onopen = () => this.#onOpen();
    this.channel.onmessage = (event) => this.#onMessage(event.data);
  }

  #onOpen() {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#send({ colibriClass: 'ClientHello' });
    this.#send({
      colibriClass: 'ReceiverVideoConstraints',
      lastN: -1,
      defaultConstraints: { maxHeight: 1080 },
    });
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

async function limitBitrate(sender) {
  const parameters = sender.getParameters();
  if (!parameters.encodings?.length) return;
  parameters.encodings[0].maxBitrate = MAX_VIDEO_BITRATE;
  await sender.setParameters(parameters).catch(() => {});
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
