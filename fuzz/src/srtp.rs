//! Encrypted packets of somebody without the keys.

use bridge_rtp::RtpHeader;
use bridge_srtp::{DtlsRole, KeyingMaterial, Profile, SrtpReceiver};

/// A profile and a packet.
pub fn run(data: &[u8]) {
    let Some((profile, packet)) = data.split_first() else { return };
    let profile = PROFILES[usize::from(*profile) % PROFILES.len()];
    let block = vec![7; profile.exporter_len()];
    let Ok(keying) = KeyingMaterial::from_exporter(profile, &block, DtlsRole::Server) else {
        return;
    };
    let mut receiver = SrtpReceiver::new(&keying);
    if let Ok(header) = RtpHeader::parse(packet) {
        let opened = receiver.open_rtp(&mut packet.to_vec(), header.header_len());
        assert!(opened.is_err(), "nobody guesses a tag");
    }
    assert!(receiver.open_rtcp(&mut packet.to_vec()).is_err());
    // A header that is another packet's.
    let _other = receiver.open_rtp(&mut packet.to_vec(), 12 + packet.len() % 60);
}

/// As long as a packet has to be.
pub fn seeds() -> Vec<Vec<u8>> {
    (0..PROFILES.len())
        .filter_map(|profile| u8::try_from(profile).ok())
        .map(|profile| {
            let mut packet = vec![profile, 0x80, 100, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
            packet.extend([9; 40]);
            packet
        })
        .collect()
}

const PROFILES: [Profile; 3] =
    [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmHmacSha1_80];
