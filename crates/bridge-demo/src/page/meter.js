// Live figures from getStats: what came in and went out since the last look.

export class Meter {
  #last = new Map();

  constructor(call) {
    this.call = call;
    this.firstFrameAt = null;
  }

  /** Resolves to `{own, remotes: {id: figures}, transport}`; rates are since the last call. */
  async read() {
    const report = await this.call.pc.getStats();
    const owners = this.#owners();
    const result = { own: {}, remotes: {}, transport: {} };
    for (const entry of report.values()) {
      if (entry.type === 'inbound-rtp') this.#inbound(entry, owners, result);
      if (entry.type === 'outbound-rtp') this.#outbound(entry, report, result);
      if (entry.type === 'media-source' && entry.kind === 'audio') {
        result.own.audioLevel = entry.audioLevel ?? 0;
      }
      if (entry.type === 'transport') this.#transport(entry, report, result);
    }
    return result;
  }

  /** Sets `firstFrameAt` as soon as a picture of anybody was decoded. */
  async lookForFrame() {
    for (const { receiver } of this.call.pc.getTransceivers()) {
      if (receiver.track.kind !== 'video' || !this.call.owners.has(receiver.track.id)) continue;
      for (const entry of (await receiver.getStats()).values()) {
        if (entry.type === 'inbound-rtp' && entry.framesDecoded > 0) this.firstFrameAt ??= Date.now();
      }
    }
  }

  /** Which participant each incoming track belongs to. */
  #owners() {
    const owners = new Map();
    for (const { receiver, mid, currentDirection } of this.call.pc.getTransceivers()) {
      const owner = this.call.owners?.get(receiver.track.id);
      if (owner && currentDirection?.includes('recv')) owners.set(mid, owner);
    }
    return owners;
  }

  #inbound(entry, owners, result) {
    const owner = owners.get(entry.mid);
    if (!owner) return;
    const remote = (result.remotes[owner] ??= {});
    const bitrate = this.#bitrate(entry, entry.bytesReceived);
    const loss = this.#loss(entry);
    if (entry.kind === 'audio') {
      Object.assign(remote, {
        audioBitrate: bitrate,
        audioEnergy: entry.totalAudioEnergy ?? 0,
        audioLevel: entry.audioLevel ?? 0,
        audioPackets: entry.packetsReceived,
        audioConcealed: entry.concealedSamples ?? 0,
        audioLost: entry.packetsLost ?? 0,
      });
      return;
    }
    Object.assign(remote, {
      width: entry.frameWidth ?? 0,
      height: entry.frameHeight ?? 0,
      frameRate: entry.framesPerSecond ?? 0,
      framesDecoded: entry.framesDecoded ?? 0,
      keyFramesDecoded: entry.keyFramesDecoded ?? 0,
      freezes: entry.freezeCount ?? 0,
      frozenSeconds: entry.totalFreezesDuration ?? 0,
      bufferSeconds: entry.jitterBufferDelay ?? 0,
      videoBitrate: bitrate,
      videoPackets: entry.packetsReceived,
      packetsLost: entry.packetsLost ?? 0,
      retransmitted: entry.retransmittedPacketsReceived ?? 0,
      loss,
      plisSent: entry.pliCount ?? 0,
      nacksSent: entry.nackCount ?? 0,
      ssrc: entry.ssrc,
    });
  }

  #outbound(entry, report, result) {
    const bitrate = this.#bitrate(entry, entry.bytesSent);
    if (entry.kind === 'audio') {
      Object.assign(result.own, { audioBitrate: bitrate, audioPacketsSent: entry.packetsSent });
      return;
    }
    const encodings = (result.own.encodings ??= []);
    encodings.push({
      ssrc: entry.ssrc,
      active: entry.active ?? true,
      width: entry.frameWidth ?? 0,
      height: entry.frameHeight ?? 0,
      frameRate: entry.framesPerSecond ?? 0,
      framesSent: entry.framesSent ?? 0,
      bitrate,
      targetBitrate: entry.targetBitrate ?? 0,
      plisReceived: entry.pliCount ?? 0,
      nacksReceived: entry.nackCount ?? 0,
      firsReceived: entry.firCount ?? 0,
      packetsSent: entry.packetsSent ?? 0,
      retransmitted: entry.retransmittedPacketsSent ?? 0,
      scalabilityMode: entry.scalabilityMode ?? '',
    });
    const sum = (figure) => encodings.reduce((all, encoding) => all + encoding[figure], 0);
    const highest = encodings.reduce((best, one) => (one.height > best.height ? one : best));
    Object.assign(result.own, {
      width: highest.width,
      height: highest.height,
      frameRate: highest.frameRate,
      framesSent: highest.framesSent,
      videoBitrate: sum('bitrate'),
      targetBitrate: sum('targetBitrate'),
      plisReceived: sum('plisReceived'),
      nacksReceived: sum('nacksReceived'),
      firsReceived: sum('firsReceived'),
      packetsSent: sum('packetsSent'),
      retransmitted: sum('retransmitted'),
      codec: report.get(entry.codecId)?.mimeType ?? '',
      encoder: entry.encoderImplementation ?? '',
      limit: entry.qualityLimitationReason ?? '',
    });
  }

  #transport(entry, report, result) {
    const pair = report.get(entry.selectedCandidatePairId);
    const local = report.get(pair?.localCandidateId);
    const remote = report.get(pair?.remoteCandidateId);
    result.transport = {
      iceState: entry.iceState ?? '',
      dtlsState: entry.dtlsState ?? '',
      dtlsVersion: dtlsVersion(entry.tlsVersion),
      dtlsRole: entry.dtlsRole ?? '',
      dtlsCipher: entry.dtlsCipher ?? '',
      srtpCipher: entry.srtpCipher ?? '',
      roundTripMs: Math.round(1000 * (pair?.currentRoundTripTime ?? 0)),
      availableOutgoing: pair?.availableOutgoingBitrate ?? 0,
      localAddress: address(local),
      remoteAddress: address(remote),
    };
  }

  #bitrate(entry, bytes) {
    const last = this.#last.get(entry.id);
    this.#last.set(entry.id, { ...last, bytes, time: entry.timestamp });
    if (!last?.time || entry.timestamp <= last.time) return last?.bitrate ?? 0;
    const bitrate = Math.max(0, (8000 * (bytes - last.bytes)) / (entry.timestamp - last.time));
    this.#last.get(entry.id).bitrate = bitrate;
    return bitrate;
  }

  /** The share of packets lost since the last look, 0 to 1. */
  #loss(entry) {
    const key = `loss ${entry.id}`;
    const last = this.#last.get(key) ?? { lost: 0, received: 0 };
    const now = { lost: entry.packetsLost ?? 0, received: entry.packetsReceived ?? 0 };
    this.#last.set(key, now);
    const lost = Math.max(0, now.lost - last.lost);
    const all = lost + Math.max(0, now.received - last.received);
    return all > 0 ? lost / all : 0;
  }
}

function dtlsVersion(code) {
  return { FEFF: '1.0', FEFD: '1.2', FEFC: '1.3' }[(code ?? '').toUpperCase()] ?? code ?? '';
}

function address(candidate) {
  if (!candidate) return '';
  const host = candidate.address ?? '?';
  return host.includes(':') ? `[${host}]:${candidate.port}` : `${host}:${candidate.port}`;
}
