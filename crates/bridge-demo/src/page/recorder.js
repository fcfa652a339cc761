// What arrives, twenty times a second, for whoever asks afterwards: switches and freezes are shorter
// than any distance from which they could be watched.

const INTERVAL_MS = 50;
// Two minutes of four participants.
const MAX_SAMPLES = 10_000;

export class Recorder {
  #samples = [];
  #owners;
  #connection;
  #isReading = false;

  /** `connection` and `owners` are functions: both change when the page joins anew. */
  constructor(connection, owners) {
    this.#connection = connection;
    this.#owners = owners;
    setInterval(() => this.#read(), INTERVAL_MS);
  }

  /** Everything since the last time. */
  take() {
    return this.#samples.splice(0);
  }

  async #read() {
    const connection = this.#connection();
    if (this.#isReading || !connection) return;
    this.#isReading = true;
    try {
      const report = await connection.getStats();
      const owners = this.#ownersByMid(connection);
      for (const entry of report.values()) {
        if (entry.type === 'inbound-rtp') this.#keep(entry, owners.get(entry.mid), report);
      }
    } finally {
      this.#isReading = false;
    }
  }

  #ownersByMid(connection) {
    const owners = this.#owners();
    const transceivers = connection.getTransceivers();
    return new Map(transceivers.map(({ mid, receiver }) => [mid, owners.get(receiver.track.id)]));
  }

  #keep(entry, owner, report) {
    if (!owner) return;
    if (this.#samples.length === MAX_SAMPLES) this.#samples.shift();
    const common = {
      owner,
      kind: entry.kind,
      at: entry.timestamp,
      bytes: entry.bytesReceived,
      packets: entry.packetsReceived,
      lost: entry.packetsLost ?? 0,
      bufferDelay: entry.jitterBufferDelay ?? 0,
      bufferCount: entry.jitterBufferEmittedCount ?? 0,
    };
    this.#samples.push(entry.kind === 'audio' ? {
      ...common,
      samples: entry.totalSamplesReceived ?? 0,
      concealed: entry.concealedSamples ?? 0,
      silentConcealed: entry.silentConcealedSamples ?? 0,
      concealmentEvents: entry.concealmentEvents ?? 0,
    } : {
      ...common,
      height: entry.frameHeight ?? 0,
      decoded: entry.framesDecoded ?? 0,
      keyFrames: entry.keyFramesDecoded ?? 0,
      dropped: entry.framesDropped ?? 0,
      freezes: entry.freezeCount ?? 0,
      frozen: entry.totalFreezesDuration ?? 0,
      nacks: entry.nackCount ?? 0,
      plis: entry.pliCount ?? 0,
      retransmitted: entry.retransmittedPacketsReceived ?? 0,
      codec: report.get(entry.codecId)?.mimeType ?? '',
    });
  }
}
