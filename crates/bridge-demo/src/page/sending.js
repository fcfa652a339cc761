// How the own picture is sent: which codec, and in which encodings or layers. Does to descriptions
// what Jitsi's clients do: SSRC-based simulcast that the local description announces and that remote
// descriptions hide, because the bridge sends one stream per picture, on the first SSRC.

const SIMULCAST_SCALES = [4, 2, 1];
const SIMULCAST_BITRATES = [200_000, 500_000, 1_500_000];
const SINGLE_BITRATE = 2_000_000;

/** What the page's query asks for; everything is optional. */
export function sendingOptions(query) {
  return {
    codec: query.get('codec')?.toUpperCase() ?? null,
    simulcast: query.get('simulcast') === '1',
    scalabilityMode: query.get('svc'),
    bitrate: Number(query.get('bitrate')) || SINGLE_BITRATE,
    dependencyDescriptor: query.get('dd'),
  };
}

/** The offer with `codec` as the first choice of section `mid`. */
export function preferCodec(sdp, mid, codec) {
  if (!codec) return sdp;
  return mapSection(sdp, mid, (lines) => {
    const wanted = new RegExp(`^a=rtpmap:(\\d+) ${codec}/`, 'i');
    const first = lines.map((line) => line.match(wanted)?.[1]).filter(Boolean);
    const [media, port, protocol, ...types] = lines[0].split(' ');
    const rest = types.filter((type) => !first.includes(type));
    return [[media, port, protocol, ...first, ...rest].join(' '), ...lines.slice(1)];
  });
}

/**
 * The offer as Jitsi's clients take it: the dependency descriptor is for AV1. With it, Chromium would
 * leave everything else out of VP8's own descriptor. `dd=1` in the page's query keeps it.
 */
export function limitDependencyDescriptor(sdp, mid, { codec, dependencyDescriptor }) {
  if (codec === 'AV1' || dependencyDescriptor === '1') return sdp;
  const isDescriptor = (line) => /^a=extmap:.*dependency-descriptor/.test(line);
  return mapSection(sdp, mid, (lines) => lines.filter((line) => !isDescriptor(line)));
}

/** The remote description with one SSRC, and its retransmissions, of each simulcast source. */
export function hideSimulcast(sdp) {
  return mapSections(sdp, (lines) => {
    const groups = ssrcGroups(lines);
    const simulcast = groups.find((group) => group.semantics === 'SIM');
    if (!simulcast) return lines;
    const [primary, ...further] = simulcast.ssrcs;
    const isHidden = (group) => group.ssrcs.some((ssrc) => further.includes(ssrc));
    const hidden = new Set(groups.filter(isHidden).flatMap((group) => group.ssrcs));
    hidden.delete(primary);
    return lines.filter((line) => {
      const ssrc = line.match(/^a=ssrc:(\d+)/)?.[1];
      const members = line.match(/^a=ssrc-group:\S+ (.*)/)?.[1].split(' ');
      return !hidden.has(ssrc) && !members?.some((member) => hidden.has(member));
    });
  });
}

/** The answer with two more encodings of the picture in section `mid`, lowest first. */
export function announceSimulcast(sdp, mid) {
  return mapSection(sdp, mid, (lines) => {
    const groups = ssrcGroups(lines);
    const own = groups.find((group) => group.semantics === 'FID')?.ssrcs;
    if (!own || groups.some((group) => group.semantics === 'SIM')) return lines;
    const pairs = [own, [randomSsrc(), randomSsrc()], [randomSsrc(), randomSsrc()]];
    const attributes = lines.filter((line) => line.startsWith(`a=ssrc:${own[0]} `));
    const announced = [`a=ssrc-group:SIM ${pairs.map(([primary]) => primary).join(' ')}`];
    for (const pair of pairs) {
      announced.push(`a=ssrc-group:FID ${pair.join(' ')}`);
      for (const ssrc of pair) {
        for (const line of attributes) announced.push(line.replace(own[0], ssrc));
      }
    }
    return [...lines.filter((line) => !/^a=ssrc(-group)?:/.test(line)), ...announced];
  });
}

/** Tells the sender its encodings. Only what was answered counts, so it is told after the answer. */
export async function setEncodings(sender, options) {
  const parameters = sender.getParameters();
  const { encodings } = parameters;
  if (!encodings?.length) return;
  if (encodings.length === SIMULCAST_SCALES.length) {
    encodings.forEach((encoding, index) => {
      encoding.scaleResolutionDownBy = SIMULCAST_SCALES[index];
      encoding.maxBitrate = SIMULCAST_BITRATES[index];
    });
  } else {
    encodings[0].maxBitrate = options.bitrate;
    if (options.scalabilityMode) encodings[0].scalabilityMode = options.scalabilityMode;
  }
  // A picture of fewer frames is still the picture that somebody asked for; a smaller one is not.
  if (options.simulcast || options.scalabilityMode) {
    parameters.degradationPreference = 'maintain-resolution';
  }
  await sender.setParameters(parameters).catch((error) => console.warn('encodings refused:', error));
}

function mapSections(sdp, change) {
  const sections = sdp.split(/\r\n(?=m=)/);
  return sections
    .map((section) => {
      const isLast = section.endsWith('\r\n');
      const lines = (isLast ? section.slice(0, -2) : section).split('\r\n');
      return change(lines).join('\r\n') + (isLast ? '\r\n' : '');
    })
    .join('\r\n');
}

function mapSection(sdp, mid, change) {
  return mapSections(sdp, (lines) => (lines.includes(`a=mid:${mid}`) ? change(lines) : lines));
}

function ssrcGroups(lines) {
  return lines
    .map((line) => line.match(/^a=ssrc-group:(\S+) (.*)/))
    .filter(Boolean)
    .map(([, semantics, ssrcs]) => ({ semantics, ssrcs: ssrcs.split(' ') }));
}

function randomSsrc() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0] || 1);
}
